import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { imageKey, thumbnailKey } from '../src/blobs/keys.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import type { Database } from '../src/database/schema.ts';
import { type Embedder, EmbeddingError } from '../src/embeddings/embedder.ts';
import { createLocalVisualEmbedder } from '../src/embeddings/local-visual.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { recoverStranded } from '../src/jobs/recover.ts';
import { createWorkers, type Workers, type WorkersOptions } from '../src/jobs/workers.ts';
import { finalizeUpload, loadAsset } from './fixtures/assets.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import { photo, pngBomb, SVG } from './fixtures/images.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

// A database of one's own and real waits: on a busy machine 5 s are soon over.
vi.setConfig({ testTimeout: 30_000 });

let database: OpenDatabase;
let bench: { db: Database; queue: Queue; blobs: ReturnType<typeof memoryBlobStore> };
let queue: Queue;
let workers: Workers | undefined;
let logger: ReturnType<typeof recordingLogger>;
let changed: string[];

beforeAll(async () => {
  database = await openTestDatabase();
}, 30_000);
afterAll(() => database.close());
beforeEach(async () => {
  logger = recordingLogger();
  changed = [];
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
    changes: { changed: (ids) => changed.push(...ids) },
    logger,
    ...options,
  });
  await workers.start();
}

const jpeg = (seed: number) => photo(seed, 160, 120).jpeg().toBuffer();

/** Waits until the asset is as described. */
function eventually(id: string, expected: object, timeout = 8000) {
  return vi.waitFor(async () => expect(await loadAsset(bench.db, id)).toMatchObject(expected), {
    timeout,
    interval: 20,
  });
}

async function depths(): Promise<number[]> {
  return [await queue.depth('process'), await queue.depth('embed')];
}

/** Lets a delayed job run now, as if its time had come. */
async function fastForward(name: string): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    with due as (
      select id, extract(epoch from start_after - now())::float8 as seconds from pgboss.job
      where name = ${name} and state = 'created' and start_after > now()
    )
    update pgboss.job set start_after = now() from due where job.id = due.id
    returning due.seconds`.execute(database.db);
  return rows[0]?.seconds ?? Number.NaN;
}

/** An embedder that fails as told, call by call, and then works. */
function failingEmbedder(failures: readonly Error[]): Embedder & { calls: number } {
  const inner = createLocalVisualEmbedder();
  const embedder = {
    ...inner,
    calls: 0,
    async embed(image: Uint8Array, signal: AbortSignal) {
      const failure = failures[embedder.calls++];
      if (failure) throw failure;
      return inner.embed(image, signal);
    },
  };
  return embedder;
}

describe('the workers', () => {
  it('make 57 of 60 images searchable and record what is wrong with the other 3', async () => {
    const whole = await photo(99, 400, 300).jpeg().toBuffer();
    const bad = [
      await finalizeUpload(bench, SVG),
      await finalizeUpload(bench, whole.subarray(0, whole.length / 2)),
      await finalizeUpload(bench, pngBomb(30_000, 20_000)),
    ];
    const good = [];
    for (let seed = 1; seed <= 57; seed++) good.push(await finalizeUpload(bench, await jpeg(seed)));
    await startWorkers();

    await vi.waitFor(async () => expect(await depths()).toEqual([0, 0]), { timeout: 20_000 });
    for (const id of good) {
      const asset = await loadAsset(bench.db, id);
      expect(asset).toMatchObject({
        processed: true,
        embedded: true,
        failed: false,
        width: 160,
        height: 120,
        mime_type: 'image/jpeg',
        image_key: imageKey(asset.key, 'image/jpeg'),
        thumbnail_key: thumbnailKey(asset.key),
        processing_error: null,
        embedding_error: null,
      });
      expect(bench.blobs.objects.has(thumbnailKey(asset.key))).toBe(true);
      expect(asset.version).toBeGreaterThan(0);
    }
    const codes = await Promise.all(
      bad.map(async (id) => {
        const asset = await loadAsset(bench.db, id);
        expect(asset).toMatchObject({ processed: false, embedded: false, failed: true });
        expect(asset.processing_retry_count).toBe(0);
        return asset.processing_error?.code;
      }),
    );
    expect(codes).toEqual(['svg_refused', 'undecodable', 'too_many_pixels']);
    const embeddings = await bench.db.selectFrom('embeddings').selectAll().execute();
    expect(embeddings.map((row) => row.asset_id).sort()).toEqual(good.sort());
    expect(new Set(embeddings.map((row) => row.model))).toEqual(new Set(['local-visual-v1']));
    expect(changed).toHaveLength(57 * 2 + 3);

    await workers?.stop();
    expect(logger.lines.filter((line) => line.message.includes('refused'))).toHaveLength(3);
    const summaries = logger.lines.filter((line) => line.message.includes('processed'));
    expect(summaries.length).toBeLessThan(6);
    expect(summaries[0]?.message).toMatch(/^\[Jobs\] .*processed \d+/);
  }, 30_000);

  it('store a picture with transparent parts as WebP, under a name that says so', async () => {
    const png = await photo(1, 80, 80).ensureAlpha(0.3).png().toBuffer();
    const id = await finalizeUpload(bench, png);
    await startWorkers();
    await eventually(id, { embedded: true, mime_type: 'image/png' });
    const { image_key: key } = await loadAsset(bench.db, id);
    expect(key).toMatch(/\.image\.webp$/);
    const stored = bench.blobs.objects.get(key ?? '');
    expect((await sharp(stored).metadata()).format).toBe('webp');
  });

  it('raise the version with every change, so that watchers can order them', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    const { version: before } = await loadAsset(bench.db, id);
    await startWorkers({ embedder: failingEmbedder([new Error('down')]) });
    await eventually(id, { processed: true, embedding_retry_count: 1 });
    const { version: after } = await loadAsset(bench.db, id);
    expect(after).toBeGreaterThanOrEqual(before + 2);
  });

  it('do nothing for an asset that is gone, or done already', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    await startWorkers();
    await eventually(id, { embedded: true });
    const { version } = await loadAsset(bench.db, id);
    await bench.db.transaction().execute(async (tx) => {
      for (const name of ['process', 'embed'] as const) {
        await queue.enqueue(tx, name, [{ assetId: id }, { assetId: randomUUID() }]);
      }
    });
    await vi.waitFor(async () => expect(await depths()).toEqual([0, 0]), 5000);
    expect(await loadAsset(bench.db, id)).toMatchObject({ version });
    expect(logger.lines.filter((line) => line.level !== 'info')).toEqual([]);
  });
});

describe('processing that fails for a while', () => {
  it('is recorded, tried again after a second, and forgotten once it succeeded', async () => {
    const bytes = await jpeg(1);
    const id = await finalizeUpload(bench, bytes);
    const { key } = await loadAsset(bench.db, id);
    bench.blobs.objects.delete(key);
    await startWorkers({ random: () => 0.5 });
    await eventually(id, {
      processed: false,
      failed: false,
      processing_retry_count: 1,
      processing_error: { code: 'missing_blob' },
    });
    bench.blobs.objects.set(key, bytes);
    await eventually(id, { embedded: true, processing_error: null, failed: false });
    const [warning] = logger.lines.filter((line) => line.level === 'warn');
    expect(warning?.fields).toMatchObject({ assetId: id, code: 'missing_blob', retryInSeconds: 1 });
  });

  it('follows its schedule and then fails for good, naming the last cause', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    bench.blobs.objects.clear();
    const read = vi.spyOn(bench.blobs, 'read');
    await startWorkers({ random: () => 0.5 });
    const waits: number[] = [];
    for (let failures = 1; failures <= 5; failures++) {
      await eventually(id, { processing_retry_count: failures, failed: false });
      waits.push(await fastForward('process'));
    }
    await eventually(id, {
      failed: true,
      processed: false,
      processing_error: {
        code: 'max_retries_exceeded',
        detail: 'Max retries exceeded: The object store does not have the uploaded bytes',
      },
    });
    for (const [i, base] of [1, 5, 30, 120, 600].entries()) {
      // The first may have come due by itself while we looked.
      if (i > 0) expect(Math.abs((waits[i] ?? 0) - base)).toBeLessThan(1.5);
    }
    expect(read).toHaveBeenCalledTimes(6);
    expect(await depths()).toEqual([0, 0]);
  }, 20_000);

  it('takes a read that broke off for the store’s trouble, not for a damaged image', async () => {
    const bytes = await jpeg(1);
    const id = await finalizeUpload(bench, bytes);
    const { key } = await loadAsset(bench.db, id);
    bench.blobs.objects.set(key, bytes.subarray(0, 500));
    await startWorkers();
    await eventually(id, { failed: false, processing_error: { code: 'processing_failed' } });
  });

  it('costs no attempt when the database is what failed', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    const enqueue = vi.spyOn(queue, 'enqueue').mockRejectedValueOnce(new Error('connection lost'));
    await startWorkers();
    await eventually(id, { embedded: true, processing_retry_count: 0, processing_error: null });
    expect(enqueue.mock.calls.length).toBeGreaterThanOrEqual(2);
  });

  it('is final when the image’s worker dies again and again', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    await run(database.db, 'update pgboss.job set retry_count = 8, started_on = now()');
    await startWorkers();
    await eventually(id, { failed: true, processing_error: { code: 'max_retries_exceeded' } });
  });
});

describe('embedding that fails', () => {
  it('costs no attempt when throttled, and waits as long as the provider asks', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    const throttled = new EmbeddingError('slow down', 'throttled', { retryAfterSeconds: 120 });
    const embedder = failingEmbedder([throttled]);
    let now = Date.UTC(2030, 0, 1);
    await startWorkers({ embedder, random: () => 0, clock: () => now });
    await eventually(id, {
      processed: true,
      embedded: false,
      embedding_retry_count: 0,
      embedding_error: null,
      embedding_next_retry: new Date(now + 120_000),
    });
    now += 120_000;
    expect(await fastForward('embed')).toBeGreaterThan(115);
    await eventually(id, { embedded: true, embedding_next_retry: null });
    expect(embedder.calls).toBe(2);
  });

  it('fails at once, and blocks nobody, when it can never succeed', async () => {
    const never = new EmbeddingError('The model takes no such image', 'permanent');
    const embedder = failingEmbedder([never]);
    const first = await finalizeUpload(bench, await jpeg(1));
    await startWorkers({ embedder });
    await eventually(first, {
      processed: true,
      embedded: false,
      failed: true,
      embedding_retry_count: 0,
      embedding_error: { code: 'embedding_failed', detail: 'The model takes no such image' },
    });
    const second = await finalizeUpload(bench, await jpeg(2));
    await eventually(second, { embedded: true });
  });

  it('backs off from a minute to six hours, then fails for good', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    const down = new EmbeddingError('The provider is down', 'transient');
    const embedder = failingEmbedder(Array(6).fill(down));
    await startWorkers({ embedder, random: () => 0.5 });
    const waits: number[] = [];
    for (let failures = 1; failures <= 5; failures++) {
      await eventually(id, { embedding_retry_count: failures, failed: false });
      waits.push(Math.round((await fastForward('embed')) / 10) * 10);
    }
    expect(waits).toEqual([60, 300, 900, 3600, 21_600]);
    await eventually(id, {
      failed: true,
      processed: true,
      embedding_next_retry: null,
      embedding_error: {
        code: 'max_retries_exceeded',
        detail: 'Max retries exceeded: The provider is down',
      },
    });
    expect(embedder.calls).toBe(6);
  }, 20_000);

  it('refuses a vector of the wrong length', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    const wrong = { ...createLocalVisualEmbedder(), embed: async () => new Float32Array(3) };
    await startWorkers({ embedder: wrong });
    await eventually(id, { failed: true, embedding_error: { code: 'embedding_failed' } });
    expect(await bench.db.selectFrom('embeddings').selectAll().execute()).toEqual([]);
  });
});

describe('a worker that lost its lease', () => {
  it('commits nothing; the other worker’s result stands', async () => {
    const id = await finalizeUpload(bench, await jpeg(1));
    const write = bench.blobs.write.bind(bench.blobs);
    let writes = 0;
    bench.blobs.write = async (...args) => {
      await write(...args);
      if (++writes !== 2) return;
      // Everything is written and only the commit is left; now the job goes to someone else.
      await sql`update pgboss.job set state = 'retry', start_after = now() + interval '1 hour'
        where singleton_key = ${id}`.execute(database.db);
    };
    await startWorkers();
    await vi.waitFor(
      () => expect(logger.lines.some((line) => line.message.includes('lease lost'))).toBe(true),
      10_000,
    );
    const untouched = { processed: false, image_key: null, processing_error: null };
    expect(await loadAsset(bench.db, id)).toMatchObject(untouched);
    expect(await depths()).toEqual([1, 0]);
    expect(changed).toEqual([]);
  });
});

describe('recoverStranded', () => {
  it('enqueues what waits for a stage and has no job, and nothing else', async () => {
    const stranded = await finalizeUpload(bench, await jpeg(1), { isEnqueued: false });
    const enqueued = await finalizeUpload(bench, await jpeg(2));
    const unembedded = await finalizeUpload(bench, await jpeg(3), { isEnqueued: false });
    const failed = await finalizeUpload(bench, await jpeg(4), { isEnqueued: false });
    const set = (id: string, values: { processed?: boolean; failed?: boolean }) =>
      bench.db.updateTable('assets').set(values).where('id', '=', id).execute();
    await set(unembedded, { processed: true });
    await set(failed, { failed: true });

    expect(await recoverStranded(bench.db, queue)).toBe(2);

    expect(await queue.pending('process', [stranded, enqueued, unembedded, failed])).toEqual(
      new Set([stranded, enqueued]),
    );
    expect(await queue.pending('embed', [unembedded])).toEqual(new Set([unembedded]));
    expect(await depths()).toEqual([2, 1]);
    expect(await recoverStranded(bench.db, queue)).toBe(0);
  });

  it('walks through more assets than one page holds', async () => {
    const rows = Array.from({ length: 2300 }, () => {
      const id = randomUUID();
      const checksum = createHash('sha256').update(id).digest('hex');
      const names = { filename: 'a.jpg', search_words: 'a', mime_type: 'image/jpeg' };
      return { id, user_id: 'ada', key: id, size: 1, checksum, ...names };
    });
    for (let i = 0; i < rows.length; i += 500) {
      await bench.db
        .insertInto('assets')
        .values(rows.slice(i, i + 500))
        .execute();
    }
    expect(await recoverStranded(bench.db, queue)).toBe(2300);
    expect(await queue.depth('process')).toBe(2300);
  });
});
