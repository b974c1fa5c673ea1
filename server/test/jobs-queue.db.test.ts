import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createPgBossQueue, type PgBossQueueOptions } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { ENGINE, openTestDatabase, run } from './fixtures/databases.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

// A database of one's own and real waits: on a busy machine 5 s are soon over.
vi.setConfig({ testTimeout: 30_000 });

let database: OpenDatabase;
const queues: Queue[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
}, 30_000);
afterAll(() => database.close());
afterEach(async () => {
  for (const queue of queues.splice(0)) await queue.stop(0);
  await run(database.db, 'delete from pgboss.job');
});

async function startQueue(options: Partial<PgBossQueueOptions> = {}): Promise<Queue> {
  const queue = createPgBossQueue({
    database,
    logger: recordingLogger(),
    ...options,
  });
  await queue.start();
  queues.push(queue);
  return queue;
}

function enqueue(queue: Queue, ids: readonly string[], options?: Parameters<Queue['enqueue']>[3]) {
  return database.db.transaction().execute((tx) =>
    queue.enqueue(
      tx,
      'process',
      ids.map((assetId) => ({ assetId })),
      options,
    ),
  );
}

const newIds = (count: number) => Array.from({ length: count }, () => randomUUID());

describe('createPgBossQueue', () => {
  it('wakes an idle worker within a fraction of its poll interval', async () => {
    const queue = await startQueue({ pollIntervalMs: 60_000 });
    const latencies: number[] = [];
    let enqueuedAt = 0;
    await queue.work('process', 2, async () => {
      latencies.push(performance.now() - enqueuedAt);
    });
    await sleep(50);
    for (let i = 1; i <= 10; i++) {
      enqueuedAt = performance.now();
      await enqueue(queue, newIds(1));
      await vi.waitFor(() => expect(latencies).toHaveLength(i), { timeout: 2000, interval: 2 });
    }
    expect(latencies.sort((a, b) => a - b)[5]).toBeLessThan(200);
  });

  it('tells a depth of more than 10,000 as it was counted last, of fewer as it is', async () => {
    const queue = await startQueue();
    await enqueue(queue, newIds(10_000));
    expect(await queue.depth('process')).toBe(10_000);
    await enqueue(queue, newIds(2000));
    expect(await queue.depth('process')).toBeGreaterThan(10_000);
    await vi.waitFor(async () => expect(await queue.depth('process')).toBe(12_000), 25_000);
    await run(database.db, `delete from pgboss.job`);
    expect(await queue.depth('process')).toBe(0);
  });

  it('has an attempt written down before it is made: whatever kills the process is counted', async () => {
    const queue = await startQueue();
    const stored: unknown[] = [];
    await queue.work('process', 1, async (job) => {
      // As another connection sees it, while the handler runs.
      const { rows } = await sql`select state, retry_count + 1 as attempt from pgboss.job
        where id = ${job.id}`.execute(database.db);
      stored.push({ ...(rows[0] as object), told: job.attempt });
      if (job.attempt < 2) throw new Error('boom');
    });
    await enqueue(queue, newIds(1));
    await vi.waitFor(
      () =>
        expect(stored).toEqual([
          { state: 'active', attempt: 1, told: 1 },
          { state: 'active', attempt: 2, told: 2 },
        ]),
      25_000,
    );
  });

  it('keeps its tables small: finished jobs are deleted and their space is reused', async () => {
    await startQueue();
    const { rows } = await sql`select name, policy, deletion_seconds, heartbeat_seconds
      from pgboss.queue order by name`.execute(database.db);
    expect(rows).toEqual([
      { name: 'embed', policy: 'singleton', deletion_seconds: 300, heartbeat_seconds: 10 },
      { name: 'process', policy: 'singleton', deletion_seconds: 300, heartbeat_seconds: 10 },
    ]);
    await run(database.db, 'vacuum (analyze) pgboss.job');
  });
});

describe('a job whose worker died', () => {
  /** As `kill -9` leaves it: claimed, never settled, its heartbeat silent since. */
  async function claimAndDie(silentForSeconds: number): Promise<string> {
    const queue = await startQueue();
    const [asset = ''] = newIds(1);
    await enqueue(queue, [asset]);
    await sql`update pgboss.job set state = 'active', started_on = now(),
        heartbeat_on = now() - ${silentForSeconds} * interval '1 second'
      where singleton_key = ${asset}`.execute(database.db);
    return asset;
  }

  if (ENGINE === 'pglite') {
    it('is delivered again at once by the next process on an embedded database', async () => {
      const asset = await claimAndDie(0);
      const next = await startQueue();
      const seen: { assetId: string; attempt: number }[] = [];
      const startedAt = performance.now();
      await next.work('process', 1, async (job) => {
        seen.push({ assetId: job.data.assetId, attempt: job.attempt });
      });
      await vi.waitFor(() => expect(seen).toEqual([{ assetId: asset, attempt: 2 }]), 25_000);
      expect(performance.now() - startedAt).toBeLessThan(4000);
    });
  }

  it('is delivered again when its lease lapses, where other workers may be alive', async () => {
    const asset = await claimAndDie(7);
    const next = await startQueue({ isSoleWorker: false });
    const seen: string[] = [];
    const startedAt = performance.now();
    await next.work('process', 1, async (job) => {
      seen.push(job.data.assetId);
    });
    await sleep(1000);
    expect(seen).toEqual([]);
    await vi.waitFor(() => expect(seen).toEqual([asset]), 25_000);
    // 3 s of lease left, then the monitor (2 s), the retry's delay (1 to 2 s) and the poll (0.5 s).
    expect(performance.now() - startedAt).toBeLessThan(9500);
  }, 20_000);
});
