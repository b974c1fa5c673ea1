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
    // On a busy machine its retries come due while the others are waited for.
    await vi.waitFor(
      async () => {
        await hurry();
        expect(await loadAsset(bench.db, poison)).toMatchObject({ failed: true });
      },
      { timeout: 20_000, interval: 100 },
    );
    await eventually(poison, {
      failed: true,
      processed: false,
      processing_retry_count: 2,
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
      // On a busy machine it takes more than 1.5 s to swell.
      decoder: {
        script: POISON_DECODER,
        timeoutMs: poison === 'hang' ? 1500 : 15_000,
        maxRssBytes: 300e6,
      },
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

describe('a disk or a store that takes nothing', () => {
  const full = () => Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const state = { processed: false, failed: false, processing_error: null };
  let nowMs = Date.UTC(2030, 0, 1);
  const clock = () => nowMs;
  const settle = () => new Promise((resolve) => setTimeout(resolve, 500));

  /** The pause is over, and whatever waits for its time is due. */
  async function passMinutes(minutes: number): Promise<void> {
    nowMs += minutes * 60_000;
    await run(
      database.db,
      `update pgboss.job set start_after = now() where name = 'process' and state = 'created'`,
    );
  }

  it.each([
    ['a full disk', full],
    ['a quota', () => Object.assign(new Error('quota'), { code: 'EDQUOT' })],
    ['a store that answers 503', () => Object.assign(new Error('SlowDown'), { name: 'SlowDown' })],
  ])('%s costs no attempt, however long it lasts (74)', async (_, failure) => {
    const ids: string[] = [];
    for (let seed = 1; seed <= 20; seed++) ids.push(await finalizeUpload(bench, await jpeg(seed)));
    const writing = vi.spyOn(bench.blobs, 'write').mockImplementation(async () => {
      throw failure();
    });
    await startWorkers({ clock });
    await vi.waitFor(() => expect(writing).toHaveBeenCalled(), 20_000);
    // Those that were in hand, however long they take; the others are left alone.
    let atFirst: number;
    do {
      atFirst = writing.mock.calls.length;
      await settle();
    } while (writing.mock.calls.length > atFirst);
    expect(atFirst).toBeLessThanOrEqual(12);
    for (let probe = 1; probe <= 7; probe++) {
      await passMinutes(10);
      await vi.waitFor(() => expect(writing).toHaveBeenCalledTimes(atFirst + probe), 20_000);
      await settle();
      expect(writing).toHaveBeenCalledTimes(atFirst + probe);
    }
    for (const id of ids) {
      expect(await loadAsset(bench.db, id)).toMatchObject({ ...state, processing_retry_count: 0 });
    }
    const jobs = await queue.pending('process', ids);
    expect(jobs.size).toBe(20);
    const said = logger.lines.filter(({ message }) => message.includes('images wait'));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({ level: 'error', fields: { cause: expect.any(String) } });

    writing.mockRestore();
    await vi.waitFor(
      async () => {
        await passMinutes(10);
        for (const id of ids) {
          expect(await loadAsset(bench.db, id)).toMatchObject({
            processed: true,
            failed: false,
            processing_retry_count: 0,
          });
        }
      },
      { timeout: 20_000, interval: 200 },
    );
    expect(logger.lines.some(({ message }) => message.includes('processed again'))).toBe(true);
  });

  it('lets an image pay that the store cannot give, while it gives others', async () => {
    const poison = await finalizeUpload(bench, await jpeg(1));
    const { key } = await loadAsset(bench.db, poison);
    const read = bench.blobs.read.bind(bench.blobs);
    bench.blobs.read = async (asked) => {
      if (asked === key) throw Object.assign(new Error('bad sector'), { code: 'EIO' });
      return read(asked);
    };
    await startWorkers({ clock });
    await vi.waitFor(() => expect(logger.lines.some((line) => line.level === 'error')).toBe(true));
    expect(await loadAsset(bench.db, poison)).toMatchObject({
      ...state,
      processing_retry_count: 0,
    });
    await settle();
    const due = nowMs + 60_000;
    nowMs = due;
    const other = await finalizeUpload(bench, await jpeg(2));
    await eventually(other, { processed: true });
    await passMinutes(1);
    await eventually(poison, {
      failed: false,
      processing_retry_count: 1,
      processing_error: { code: 'processing_failed', detail: expect.stringContaining('EIO') },
    });
  });

  it('lets an image wait by itself that finds no room, while others do', async () => {
    const large = await finalizeUpload(bench, await jpeg(1));
    const { key } = await loadAsset(bench.db, large);
    const write = bench.blobs.write.bind(bench.blobs);
    let tried = 0;
    bench.blobs.write = async (asked, ...rest) => {
      if (!asked.startsWith(key)) return write(asked, ...rest);
      tried++;
      throw full();
    };
    await startWorkers({ clock });
    for (let round = 1; round <= 7; round++) {
      await vi.waitFor(() => expect(tried).toBe(round), 20_000);
      await settle();
      expect(await loadAsset(bench.db, large)).toMatchObject({
        ...state,
        processing_retry_count: 0,
      });
      nowMs += 10 * 60_000;
      const other = await finalizeUpload(bench, await jpeg(round + 1));
      await eventually(other, { processed: true });
      if (round > 1) {
        const { rows } = await sql<{ seconds: number }>`
          select extract(epoch from start_after - created_on)::float8 as seconds from pgboss.job
          where name = 'process' and state = 'created'`.execute(database.db);
        expect(rows[0]?.seconds).toBeGreaterThan(290);
      }
      await passMinutes(10);
    }
  });

  it('fails an image that found no room for a day, while others did, with words', async () => {
    const large = await finalizeUpload(bench, await jpeg(1));
    const { key } = await loadAsset(bench.db, large);
    const read = bench.blobs.read.bind(bench.blobs);
    let tried = 0;
    bench.blobs.read = async (asked) => {
      if (asked !== key) return read(asked);
      tried++;
      throw Object.assign(new Error('Cannot allocate memory'), { code: 'ENOMEM' });
    };
    await startWorkers({ clock });
    const waits = async () => {
      const { rows } = await sql<{ waits: number | null }>`
        select (data ->> 'machineWaits')::int as waits from pgboss.job
        where name = 'process' and state = 'created'`.execute(database.db);
      return rows[0]?.waits;
    };
    // The first one paused everything; each of the others it waited by itself.
    for (const waited of [null, 1, 2]) {
      await vi.waitFor(async () => expect(await waits()).toBe(waited), 20_000);
      nowMs += 10 * 60_000;
      await eventually(await finalizeUpload(bench, await jpeg(10 + tried)), { processed: true });
      expect(await loadAsset(bench.db, large)).toMatchObject({ failed: false });
      if (waited === 2) {
        // 288 pauses of five minutes are a day.
        await run(
          database.db,
          `update pgboss.job set data = data || '{"machineWaits":287}' where state = 'created'`,
        );
      }
      await passMinutes(10);
    }
    await vi.waitFor(async () => expect(await waits()).toBe(288), 20_000);
    nowMs += 10 * 60_000;
    await eventually(await finalizeUpload(bench, await jpeg(20)), { processed: true });
    await passMinutes(10);
    await eventually(large, {
      failed: true,
      processing_retry_count: 0,
      processing_error: {
        code: 'max_retries_exceeded',
        detail: expect.stringMatching(/no room for this image \(ENOMEM\) for a day/),
      },
    });
    expect(tried).toBe(5);
  });

  it('is not what three crashes of the decoder are counted by', async () => {
    const id = await finalizeUpload(bench, poisoned(await jpeg(1), 'crash'));
    const reading = vi.spyOn(bench.blobs, 'read');
    for (let i = 0; i < 3; i++) reading.mockRejectedValueOnce(full());
    await startWorkers({ clock, decoder: { script: POISON_DECODER } });
    for (let tried = 1; tried <= 3; tried++) {
      await vi.waitFor(() => expect(reading).toHaveBeenCalledTimes(tried), 20_000);
      await settle();
      expect(await loadAsset(bench.db, id)).toMatchObject({ ...state, processing_retry_count: 0 });
      await passMinutes(10);
    }
    await eventually(id, {
      failed: false,
      processing_retry_count: 1,
      processing_error: { code: 'decoder_crashed' },
    });
  });
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
