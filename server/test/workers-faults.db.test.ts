import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createLocalVisualEmbedder } from '../src/embeddings/local-visual.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { createWorkers, type Workers, type WorkersOptions } from '../src/jobs/workers.ts';
import { finalizeUpload, loadAsset } from './fixtures/assets.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import { photo } from './fixtures/images.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { POISON_DECODER, poisoned } from './fixtures/poison-images.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

vi.setConfig({ testTimeout: 60_000 });

let database: OpenDatabase;
let queue: Queue;
let bench: { db: OpenDatabase['db']; queue: Queue; blobs: ReturnType<typeof memoryBlobStore> };
let workers: Workers | undefined;
let logger: ReturnType<typeof recordingLogger>;

beforeAll(async () => {
  database = await openTestDatabase();
}, 30_000);
afterAll(() => database.close());
beforeEach(async () => {
  logger = recordingLogger();
  queue = createPgBossQueue({ database, logger });
  await queue.start();
  bench = { db: database.db, queue, blobs: memoryBlobStore() };
});
afterEach(async () => {
  await workers?.stop(0);
  await queue.stop(0);
  workers = undefined;
  await run(database.db, 'delete from pgboss.job', 'delete from assets');
});

async function startWorkers(options: Partial<WorkersOptions> = {}): Promise<void> {
  workers = createWorkers({
    database,
    queue,
    blobs: bench.blobs,
    embedder: createLocalVisualEmbedder(),
    changes: { changed: () => {} },
    logger,
    random: () => 0.5,
    ...options,
  });
  await workers.start();
}

const jpeg = (seed: number) => photo(seed, 160, 120).jpeg().toBuffer();

function eventually(id: string, expected: object) {
  return vi.waitFor(async () => expect(await loadAsset(bench.db, id)).toMatchObject(expected), {
    timeout: 20_000,
    interval: 20,
  });
}

/** Lets jobs that wait for a retry run now. */
async function hurry(): Promise<void> {
  await run(database.db, "update pgboss.job set start_after = now() where state = 'created'");
}

describe('an image that crashes its decoder', () => {
  it('is failed after three crashes, by name, and the others never notice (60, T32)', async () => {
    const others = [];
    for (let seed = 1; seed <= 10; seed++)
      others.push(await finalizeUpload(bench, await jpeg(seed)));
    const poison = await finalizeUpload(bench, poisoned(await jpeg(99), 'crash'));
    for (let seed = 11; seed <= 20; seed++)
      others.push(await finalizeUpload(bench, await jpeg(seed)));
    await startWorkers({ decoder: { script: POISON_DECODER } });

    for (const id of others) {
      await eventually(id, { embedded: true, failed: false, processing_retry_count: 0 });
    }
    for (let crashes = 1; crashes <= 2; crashes++) {
      await eventually(poison, { processing_retry_count: crashes, failed: false });
      await hurry();
    }
    await eventually(poison, {
      failed: true,
      processed: false,
      processing_error: { code: 'decoder_crashed', detail: expect.stringContaining('SIGABRT') },
    });
    const { key } = await loadAsset(bench.db, poison);
    expect(bench.blobs.objects.has(key)).toBe(true);
    const crashes = logger.lines.filter((line) => line.fields.code === 'decoder_crashed');
    expect(crashes.map((line) => line.fields.assetId)).toEqual([poison, poison, poison]);
    // No delivery of any other job was repeated: each was claimed once.
    const { rows } = await sql<{ claims: number }>`
      select max(retry_count) as claims from pgboss.job where name = 'process'`.execute(
      database.db,
    );
    expect(rows[0]?.claims).toBe(0);
  });

  it.each(['hang', 'swell'] as const)('or makes it %s is treated the same', async (poison) => {
    const id = await finalizeUpload(bench, poisoned(await jpeg(1), poison));
    await startWorkers({
      decoder: { script: POISON_DECODER, timeoutMs: 1500, maxRssBytes: 300e6 },
    });
    await eventually(id, {
      failed: false,
      processing_retry_count: 1,
      processing_error: {
        code: 'decoder_crashed',
        detail: expect.stringContaining(poison === 'hang' ? 'longer than 1.5 s' : '286 MB'),
      },
    });
  });
});

it('half a JPEG is undecodable at the first attempt, and its original is kept (57)', async () => {
  const whole = await photo(1, 640, 480).jpeg().toBuffer();
  const half = whole.subarray(0, whole.length / 2);
  const id = await finalizeUpload(bench, half);
  await startWorkers();
  await eventually(id, {
    failed: true,
    processed: false,
    processing_retry_count: 0,
    processing_error: { code: 'undecodable' },
  });
  const { key } = await loadAsset(bench.db, id);
  expect([...bench.blobs.objects.keys()]).toEqual([key]);
  expect(Buffer.from(bench.blobs.objects.get(key) ?? []).equals(half)).toBe(true);
});

it('a full disk while a derivative is written costs a retry and no image (74)', async () => {
  const id = await finalizeUpload(bench, await jpeg(1));
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const write = vi.spyOn(bench.blobs, 'write').mockRejectedValueOnce(full);
  await startWorkers();
  await eventually(id, { processing_retry_count: 1, failed: false, processed: false });
  await eventually(id, { embedded: true, failed: false, processing_error: null });
  expect(write).toHaveBeenCalledTimes(3);
});

it('images decoded in this process give the same', async () => {
  const id = await finalizeUpload(bench, await jpeg(1));
  await startWorkers({ decode: 'inline' });
  await eventually(id, { embedded: true, width: 160, height: 120 });
});

describe('jobs that are settled together', () => {
  /** Holds every image until all are written, so that their commits fall together. */
  function holdUntilAllAreWritten(images: number): void {
    const write = bench.blobs.write.bind(bench.blobs);
    let writes = 0;
    let release = () => {};
    const all = new Promise<void>((resolve) => {
      release = resolve;
    });
    bench.blobs.write = async (...args) => {
      await write(...args);
      if (!args[0].includes('.thumb')) return;
      if (++writes === images) release();
      await all;
    };
  }

  it('lose the result of the one whose lease was lost, and keep the others', async () => {
    const ids = [];
    for (let seed = 1; seed <= 6; seed++) {
      ids.push(await finalizeUpload(bench, await jpeg(seed), { userId: `user-${seed % 3}` }));
    }
    const [stolen = '', ...kept] = ids;
    holdUntilAllAreWritten(6);
    const transactions = vi.spyOn(database.db, 'transaction');
    const write = bench.blobs.write;
    bench.blobs.write = async (...args) => {
      await write(...args);
      // Everything is written and only the commit is left; now one job goes to someone else.
      await sql`update pgboss.job set state = 'retry', start_after = now() + interval '1 hour'
        where singleton_key = ${stolen} and name = 'process'`.execute(database.db);
    };
    await startWorkers();
    for (const id of kept) await eventually(id, { embedded: true });
    expect(await loadAsset(bench.db, stolen)).toMatchObject({ processed: false, image_key: null });
    expect(await queue.pending('process', ids)).toEqual(new Set([stolen]));
    expect(transactions.mock.calls.length).toBeGreaterThan(0);
    const lost = logger.lines.filter((line) => line.message.includes('lease lost'));
    expect(lost.map((line) => line.fields.assetId)).toEqual([stolen]);
  });

  it('are settled one by one when their transaction fails', async () => {
    const ids = [];
    for (let seed = 1; seed <= 6; seed++) ids.push(await finalizeUpload(bench, await jpeg(seed)));
    holdUntilAllAreWritten(6);
    const enqueue = queue.enqueue.bind(queue);
    const batches: number[] = [];
    queue.enqueue = async (tx, name, jobs, options) => {
      batches.push(jobs.length);
      if (jobs.length > 1) throw new Error('this batch fails');
      await enqueue(tx, name, jobs, options);
    };
    await startWorkers();
    for (const id of ids) await eventually(id, { embedded: true, processing_retry_count: 0 });
    expect(Math.max(...batches)).toBeGreaterThan(1);
    expect(batches.filter((size) => size === 1)).toHaveLength(6);
  });
});
