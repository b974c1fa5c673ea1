import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import type { Job } from '../src/jobs/queue.ts';
import {
  createVercelQueue,
  type VercelQueue,
  type VercelQueueOptions,
} from '../src/jobs/vercel-queue.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import { describeQueue } from './fixtures/describe-queue.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import {
  startVercelQueueService,
  type VercelQueueService,
} from './fixtures/vercel-queue-service.ts';

let service: VercelQueueService;
let logger = recordingLogger();
beforeAll(async () => {
  service = await startVercelQueueService();
  // The library reports to the console what it makes of our answers.
  for (const method of ['error', 'warn', 'debug'] as const) {
    vi.spyOn(console, method).mockImplementation(() => {});
  }
});
afterAll(() => service.close());

function create(database: OpenDatabase, options: Partial<VercelQueueOptions> = {}): VercelQueue {
  const queue = createVercelQueue({
    database,
    logger,
    client: {
      region: 'iad1',
      token: 'test-token',
      deploymentId: null,
      resolveBaseUrl: () => new URL(service.url),
    },
    ...options,
  });
  return {
    ...queue,
    // The platform sends deliveries to whatever was deployed last.
    async start() {
      await queue.start();
      service.deliverTo(queue.fetch);
    },
  };
}

describeQueue('createVercelQueue', {
  create,
  // Whole seconds on the wire: rounded up.
  capabilities: { hasPriorities: false, delayToleranceMs: 2000 },
  async unfinished(tx) {
    const { rows } = await sql<{ name: string; n: number }>`
      select name, count(*)::int as n from job_outbox group by name`.execute(tx);
    return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
  },
  async loseLease({ db }, assetId) {
    // Its lease lapsed, and another delivery has claimed and given it back.
    await sql`update job_outbox set claim = claim + 1, claimed_until = null
      where asset_id = ${assetId}`.execute(db);
  },
  async clear({ db }) {
    service.forget();
    await run(db, 'delete from job_outbox');
  },
});

describe('the outbox of createVercelQueue', () => {
  let database: OpenDatabase;
  const queues: VercelQueue[] = [];
  beforeAll(async () => {
    database = await openTestDatabase();
  });
  afterAll(() => database.close());
  afterEach(async () => {
    for (const queue of queues.splice(0)) await queue.stop(0);
    service.forget();
    service.refuseSends(0);
    service.deliverTo(undefined);
    logger = recordingLogger();
    await run(database.db, 'delete from job_outbox');
  });

  async function startQueue(options: Partial<VercelQueueOptions> = {}): Promise<VercelQueue> {
    const queue = create(database, options);
    await queue.start();
    queues.push(queue);
    return queue;
  }

  const enqueue = (queue: VercelQueue, ids: readonly string[]) => {
    const jobs = ids.map((assetId) => ({ assetId }));
    return database.db.transaction().execute((tx) => queue.enqueue(tx, 'process', jobs));
  };
  const newIds = (count: number) => Array.from({ length: count }, () => randomUUID());

  it('sends nothing of a transaction that is rolled back, and at once what was committed', async () => {
    const queue = await startQueue({ sweepIntervalMs: 3_600_000 });
    const failing = database.db.transaction().execute(async (tx) => {
      await queue.enqueue(tx, 'process', [{ assetId: randomUUID() }]);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    await sleep(100);
    expect(service.sends).toEqual([]);
    await enqueue(queue, newIds(3));
    await vi.waitFor(() => expect(service.sends).toHaveLength(3), 3000);
    // Of the job nothing leaves but its id.
    for (const { body } of service.sends) expect(Object.keys(JSON.parse(body))).toEqual(['id']);
  });

  it('publishes what a process that died after its commit left behind', async () => {
    const dead = await startQueue();
    await dead.stop(0);
    const [asset = ''] = newIds(1);
    await sql`insert into job_outbox (id, name, asset_id, due_at)
      values (gen_random_uuid(), 'process', ${asset}, now())`.execute(database.db);
    const next = await startQueue({ sweepIntervalMs: 3_600_000 });
    const seen: string[] = [];
    await next.work('process', 1, async (job) => {
      seen.push(job.data.assetId);
    });
    await vi.waitFor(() => expect(seen).toEqual([asset]), 5000);
  });

  it('keeps jobs while the service refuses, and a later sweep sends them', async () => {
    const queue = await startQueue({ sweepIntervalMs: 3_600_000 });
    service.refuseSends(1000);
    const ids = newIds(5);
    const seen: string[] = [];
    await queue.work('process', 2, async (job) => {
      seen.push(job.data.assetId);
    });
    await enqueue(queue, ids);
    await vi.waitFor(
      () =>
        expect(logger.lines.some(({ message }) => message.includes('cannot be sent'))).toBe(true),
      5000,
    );
    expect(await queue.depth('process')).toBe(5);
    service.refuseSends(0);
    expect(await queue.publish()).toBe(5);
    await vi.waitFor(() => expect([...seen].sort()).toEqual(ids.sort()), 5000);
  });

  it('sends under one key what it does not know to have arrived: one message, one run', async () => {
    const queue = await startQueue({ sweepIntervalMs: 3_600_000 });
    service.loseAnswers(3);
    const seen: string[] = [];
    await enqueue(queue, newIds(3));
    await vi.waitFor(() => expect(service.sends).toHaveLength(3), 3000);
    await vi.waitFor(async () => {
      await queue.publish();
      expect(service.sends.filter(({ isDuplicate }) => isDuplicate)).toHaveLength(3);
    }, 5000);
    expect(service.messages.size).toBe(3);
    await queue.work('process', 2, async (job) => {
      seen.push(job.data.assetId);
    });
    await vi.waitFor(async () => expect(await queue.depth('process')).toBe(0), 8000);
    expect(seen).toHaveLength(3);
  });

  it('is published once by several processes that sweep at the same time', async () => {
    const queues = await Promise.all([startQueue(), startQueue(), startQueue()]);
    service.deliverTo(undefined);
    const [first] = queues;
    await enqueue(first as VercelQueue, newIds(250));
    await Promise.all(queues.map((queue) => queue.publish()));
    await vi.waitFor(() => expect(service.messages.size).toBe(250), 5000);
    expect(service.sends).toHaveLength(250);
  });

  it('gives a job whose message was lost another one', async () => {
    const queue = await startQueue({ overdueSeconds: 60, sweepIntervalMs: 3_600_000 });
    const [asset = ''] = newIds(1);
    const seen: string[] = [];
    await enqueue(queue, [asset]);
    await vi.waitFor(() => expect(service.sends).toHaveLength(1), 3000);
    // As a message whose retention is over.
    service.forget();
    await sql`update job_outbox set due_at = now() - interval '2 minutes',
      published_at = now() - interval '2 minutes', publishing_until = null`.execute(database.db);
    await queue.stop(0);
    const next = await startQueue({ overdueSeconds: 60, sweepIntervalMs: 3_600_000 });
    await next.work('process', 1, async (job) => {
      seen.push(job.data.assetId);
    });
    await vi.waitFor(() => expect(seen).toEqual([asset]), 5000);
    expect(service.sends).toMatchObject([
      { isDuplicate: false, key: expect.stringMatching(/\.1$/) },
    ]);
  });
});

describe('a delivery by createVercelQueue', () => {
  let database: OpenDatabase;
  const queues: VercelQueue[] = [];
  beforeAll(async () => {
    database = await openTestDatabase();
  });
  afterAll(() => database.close());
  afterEach(async () => {
    for (const queue of queues.splice(0)) await queue.stop(0);
    service.forget();
    service.deliverTo(undefined);
    logger = recordingLogger();
    await run(database.db, 'delete from job_outbox');
  });

  async function startWorker(handler: (job: Job) => Promise<void>): Promise<VercelQueue> {
    const queue = create(database);
    await queue.start();
    await queue.work('process', 4, handler);
    queues.push(queue);
    return queue;
  }

  it('that comes twice, or at the same time, runs its job once', async () => {
    let runs = 0;
    const queue = await startWorker(async () => {
      runs++;
      await sleep(300);
    });
    await database.db
      .transaction()
      .execute((tx) => queue.enqueue(tx, 'process', [{ assetId: randomUUID() }]));
    await vi.waitFor(() => expect(runs).toBe(1), 5000);
    const [message] = service.messages.values();
    const again = service.duplicate(message?.id ?? '');
    const third = service.duplicate(message?.id ?? '');
    await Promise.all([again, third]);
    await vi.waitFor(async () => expect(await queue.depth('process')).toBe(0), 8000);
    service.expireLeases();
    await vi.waitFor(() => expect(service.messages.size).toBe(0), 8000);
    expect(runs).toBe(1);
  });

  it('whose worker died is taken by another when its lease has lapsed', async () => {
    const [asset] = [randomUUID()];
    // As a killed function leaves it: claimed, its lease over.
    await sql`insert into job_outbox (id, name, asset_id, due_at, claim, claimed_until)
      values (gen_random_uuid(), 'process', ${asset}, now(), 1, now() - interval '1 second')
    `.execute(database.db);
    const seen: number[] = [];
    await startWorker(async (job) => {
      seen.push(job.attempt);
    });
    await vi.waitFor(() => expect(seen).toEqual([2]), 8000);
  });

  it('that is forged, malformed or names no job does no work', async () => {
    let runs = 0;
    const queue = await startWorker(async () => {
      runs++;
    });
    const deliver = async (body: unknown, headers: Record<string, string> = {}) => {
      const request = new Request('http://callback.test/', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'ce-type': 'com.vercel.queue.v2beta',
          'ce-vqsqueuename': 'bulkhead-process',
          'ce-vqsconsumergroup': 'bulkhead',
          'ce-vqsmessageid': 'forged',
          'ce-vqsreceipthandle': 'forged',
          ...headers,
        },
        body: JSON.stringify(body),
      });
      return (await queue.fetch(request)).status;
    };
    for (const body of [{ id: randomUUID() }, { id: "'; drop table assets" }, {}, null, 'x', []]) {
      // The service knows no such receipt, so there is nothing to acknowledge: skipped.
      expect(await deliver(body)).toBe(200);
    }
    expect(await deliver({}, { 'ce-type': 'other' })).toBe(400);
    // Of a job that is not due yet, not even its id helps.
    await database.db
      .transaction()
      .execute((tx) =>
        queue.enqueue(tx, 'process', [{ assetId: randomUUID() }], { startAfterSeconds: 600 }),
      );
    const { id } = await database.db
      .selectFrom('job_outbox')
      .select('id')
      .executeTakeFirstOrThrow();
    await deliver({ id });
    expect(runs).toBe(0);
    expect(await queue.depth('process')).toBe(1);
  });
});
