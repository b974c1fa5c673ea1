import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { thumbnailKey } from '../src/blobs/keys.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createDailyBudget } from '../src/embeddings/daily-budget.ts';
import { type Embedder, EmbeddingError, type Pace } from '../src/embeddings/embedder.ts';
import { createProviderLimiter } from '../src/embeddings/provider-lane.ts';
import { createReplicateEmbedder } from '../src/embeddings/replicate.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { enqueueReembedding } from '../src/jobs/re-embed.ts';
import { createWorkers, type Workers, type WorkersOptions } from '../src/jobs/workers.ts';
import { finalizeUpload, loadAsset } from './fixtures/assets.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import { startFakeProvider } from './fixtures/fake-provider.ts';
import { photo } from './fixtures/images.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { addEmbedded } from './fixtures/vectors.ts';

vi.setConfig({ testTimeout: 30_000 });

let database: OpenDatabase;
let queue: Queue;
let blobs: ReturnType<typeof memoryBlobStore>;
let logger: ReturnType<typeof recordingLogger>;
let workers: Workers[];
let nowMs: number;

beforeAll(async () => {
  database = await openTestDatabase();
}, 60_000);
afterAll(() => database.close());
beforeEach(async () => {
  logger = recordingLogger();
  blobs = memoryBlobStore();
  queue = createPgBossQueue({ database, logger, pollIntervalMs: 20 });
  await queue.start();
  workers = [];
  nowMs = Date.now();
});
afterEach(async () => {
  await Promise.all(workers.map((each) => each.stop(0)));
  await queue.stop(0);
  await run(
    database.db,
    'delete from pgboss.job',
    'delete from assets',
    'delete from embedding_usage',
  );
});

function workersOf(embedder: Embedder, options: Partial<WorkersOptions> = {}): Workers {
  const made = createWorkers({
    ...{ database, queue, blobs, embedder, logger, random: () => 0.5, clock: () => nowMs },
    changes: { changed: () => {} },
    ...options,
  });
  workers.push(made);
  return made;
}

/** Answers as told, by what the picture is; counts what it was asked. */
function scripted(
  options: { pace?: Pace; model?: string; answer?: (image: string) => Error | undefined } = {},
) {
  const asked: string[] = [];
  const script = { answer: options.answer ?? (() => undefined) };
  const embedder: Embedder = {
    model: options.model ?? 'test',
    dimensions: 2,
    pace: options.pace,
    async embed(image) {
      const name = new TextDecoder().decode(image);
      asked.push(name);
      const failure = script.answer(name);
      if (failure) throw failure;
      return Float32Array.of(1, 1);
    },
  };
  return { embedder, asked, script };
}

/** Assets that are processed and wait for their vector, each with a thumbnail that is its id. */
async function waiting(count: number): Promise<string[]> {
  const values = Array.from({ length: count }, () => Float32Array.of(1, 0));
  const ids = await addEmbedded(database, 'ada', values, { model: 'none' });
  await run(database.db, 'delete from embeddings', 'update assets set embedded = false');
  await database.db.transaction().execute((tx) =>
    queue.enqueue(
      tx,
      'embed',
      ids.map((assetId) => ({ assetId })),
    ),
  );
  putThumbnails(ids);
  return ids;
}

function putThumbnails(ids: readonly string[]): void {
  for (const id of ids) blobs.objects.set(`k/${id}.thumbnail.webp`, new TextEncoder().encode(id));
}

async function counts() {
  const { rows } = await sql<{ embedded: number; failed: number; tried: number; told: number }>`
    select count(*) filter (where embedded)::int as embedded,
      count(*) filter (where failed)::int as failed,
      sum(embedding_retry_count)::int as tried,
      count(embedding_error)::int as told
    from assets`.execute(database.db);
  return rows[0];
}

/** Jobs as the queue has them; `touched` ones were fetched, delayed or delivered again. */
async function jobs() {
  const { rows } = await sql<{ waiting: number; touched: number; priorities: number[] }>`
    select count(*) filter (where state = 'created')::int as waiting,
      count(*) filter (where start_after > created_on + interval '1 s' or retry_count > 0
        or state = 'active')::int as touched,
      array_agg(distinct priority) as priorities
    from pgboss.job where name = 'embed' and state < 'completed'`.execute(database.db);
  return rows[0];
}

const becomeDue = () =>
  run(database.db, `update pgboss.job set start_after = now() where state = 'created'`);
const settle = () => new Promise((resolve) => setTimeout(resolve, 250));

describe('a provider with a pace', () => {
  it('is sent 5 a minute of 2,000 images; the others’ jobs are left alone', async () => {
    await waiting(2000);
    const { embedder, asked } = scripted({ pace: { provider: 'slow', requestsPerMinute: 5 } });
    await workersOf(embedder).start();
    await vi.waitFor(() => expect(asked).toHaveLength(1), 10_000);
    for (let sent = 2; sent <= 4; sent++) {
      nowMs += 11_900;
      await settle();
      expect(asked).toHaveLength(sent - 1);
      nowMs += 200;
      await vi.waitFor(() => expect(asked).toHaveLength(sent), 10_000);
    }
    await vi.waitFor(
      async () => expect(await jobs()).toMatchObject({ waiting: 1996, touched: 0 }),
      10_000,
    );
    expect(await counts()).toEqual({ embedded: 4, failed: 0, tried: 0, told: 0 });
  });

  it('is sent no more by two workers that share a limiter', async () => {
    await waiting(40);
    const { embedder, asked } = scripted({ pace: { provider: 'slow', requestsPerMinute: 5 } });
    const providerLimiter = createProviderLimiter(
      { provider: 'slow', requestsPerMinute: 5 },
      () => nowMs,
    );
    await workersOf(embedder, { providerLimiter }).start();
    await workersOf(embedder, { providerLimiter }).start();
    for (let i = 0; i < 20; i++) {
      nowMs += 6000;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await settle();
    // Two minutes, and one token to begin with.
    expect(asked.length).toBeGreaterThanOrEqual(9);
    expect(asked.length).toBeLessThanOrEqual(11);
    expect(new Set(asked).size).toBe(asked.length);
  });
});

describe('a provider that is down', () => {
  it('is asked by one image at a time; none pays with an attempt, and all are embedded in the end', async () => {
    await waiting(60);
    const down = new EmbeddingError('Replicate answered 503', 'unavailable');
    const { embedder, asked, script } = scripted({ answer: () => down });
    await workersOf(embedder).start();
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(0), 10_000);
    await settle();
    const atFirst = asked.length;
    // Both slots; whatever was fetched ahead is not sent.
    expect(atFirst).toBeLessThanOrEqual(2);
    for (let probe = 1; probe <= 3; probe++) {
      nowMs += 5000 * 2 ** (probe - 1);
      await vi.waitFor(() => expect(asked).toHaveLength(atFirst + probe), 10_000);
      await settle();
      expect(asked).toHaveLength(atFirst + probe);
    }
    expect(await counts()).toEqual({ embedded: 0, failed: 0, tried: 0, told: 0 });
    script.answer = () => undefined;
    nowMs += 300_000;
    await vi.waitFor(
      async () => {
        await becomeDue();
        expect(await counts()).toEqual({ embedded: 60, failed: 0, tried: 0, told: 0 });
      },
      { timeout: 15_000, interval: 100 },
    );
  });

  it('lets an image pay that it cannot answer, while it answers others', {
    timeout: 60_000,
  }, async () => {
    const [poison = '', ...others] = await waiting(4);
    const silence = new EmbeddingError('Replicate did not answer (timeout)', 'unavailable');
    const { embedder } = scripted({
      answer: (image) => (image === poison ? silence : undefined),
    });
    // One after another: two at once can go in step with this test, and never be in turn.
    await workersOf(embedder, { embedConcurrency: 1 }).start();
    await vi.waitFor(
      async () => {
        nowMs += 60_000;
        await becomeDue();
        // Somebody else is answered in between.
        await database.db
          .updateTable('assets')
          .set({ embedded: false })
          .where('id', '=', others[0] ?? '')
          .execute();
        await database.db
          .transaction()
          .execute((tx) => queue.enqueue(tx, 'embed', [{ assetId: others[0] ?? '' }]));
        expect((await loadAsset(database.db, poison)).failed).toBe(true);
      },
      { timeout: 50_000, interval: 100 },
    );
    expect(await loadAsset(database.db, poison)).toMatchObject({
      processed: true,
      embedding_retry_count: 5,
      embedding_error: {
        code: 'max_retries_exceeded',
        detail: 'Max retries exceeded: Replicate did not answer (timeout)',
      },
    });
    for (const id of others.slice(1)) {
      expect(await loadAsset(database.db, id)).toMatchObject({ embedded: true });
    }
  });
});

describe('a thumbnail that cannot be read', () => {
  it('costs no attempt while the store is away, however long that is', async () => {
    await waiting(10);
    const reading = vi.spyOn(blobs, 'read').mockRejectedValue(new Error('connect ECONNREFUSED'));
    const { embedder, asked } = scripted();
    await workersOf(embedder).start();
    for (let probe = 1; probe <= 8; probe++) {
      await vi.waitFor(() => expect(reading.mock.calls.length).toBeGreaterThanOrEqual(probe));
      await settle();
      expect(await counts()).toEqual({ embedded: 0, failed: 0, tried: 0, told: 0 });
      nowMs += 600_000;
      await becomeDue();
    }
    expect(asked).toEqual([]);
    const said = logger.lines.filter(({ message }) => message.includes('embeddings wait'));
    expect(said).toHaveLength(1);
    reading.mockRestore();
    await vi.waitFor(
      async () => {
        nowMs += 600_000;
        await becomeDue();
        expect(await counts()).toEqual({ embedded: 10, failed: 0, tried: 0, told: 0 });
      },
      { timeout: 15_000, interval: 100 },
    );
  });

  it('costs one where the store gives others', async () => {
    const [poison = '', other = ''] = await waiting(2);
    const read = blobs.read.bind(blobs);
    blobs.read = async (key) => {
      if (key.includes(poison)) throw Object.assign(new Error('bad sector'), { code: 'EIO' });
      return read(key);
    };
    await workersOf(scripted().embedder, { embedConcurrency: 1 }).start();
    await vi.waitFor(
      async () => {
        nowMs += 600_000;
        await becomeDue();
        await database.db
          .updateTable('assets')
          .set({ embedded: false })
          .where('id', '=', other)
          .execute();
        await database.db
          .transaction()
          .execute((tx) => queue.enqueue(tx, 'embed', [{ assetId: other }]));
        expect((await loadAsset(database.db, poison)).embedding_retry_count).toBeGreaterThan(0);
      },
      { timeout: 20_000, interval: 100 },
    );
    expect(await loadAsset(database.db, poison)).toMatchObject({
      embedding_error: { code: 'embedding_failed', detail: expect.stringContaining('EIO') },
    });
  });
});

describe('a budget for a day', () => {
  it('pauses the lane when it is spent: nothing fails, everything stays viewable', async () => {
    await waiting(12);
    const pace = { provider: 'paid', requestsPerMinute: 6000, burst: 50, dailyRequests: 5 };
    const { embedder, asked } = scripted({ pace });
    nowMs = Date.UTC(2030, 0, 1, 23);
    await workersOf(embedder).start();
    await vi.waitFor(async () => expect((await counts())?.embedded).toBe(5), 10_000);
    await settle();
    expect(asked).toHaveLength(5);
    expect(await counts()).toEqual({ embedded: 5, failed: 0, tried: 0, told: 0 });
    const warnings = logger.lines.filter(({ message }) => message.includes('budget'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.fields).toMatchObject({ provider: 'paid', retryInSeconds: 3600 });
    nowMs = Date.UTC(2030, 0, 2, 0, 1);
    await vi.waitFor(
      async () => {
        await becomeDue();
        expect((await counts())?.embedded).toBe(10);
      },
      { timeout: 10_000, interval: 100 },
    );
  });

  it('is exact, whoever spends it', async () => {
    const budgets = [1, 2, 3].map(() => createDailyBudget(database.db, 'paid', 20));
    const day = Date.UTC(2030, 0, 1);
    const spent = await Promise.all(
      Array.from({ length: 60 }, (_, i) => budgets[i % 3]?.spend(day)),
    );
    expect(spent.filter(Boolean)).toHaveLength(20);
    expect(await budgets[0]?.spend(day + 24 * 3600 * 1000)).toBe(true);
    expect(await createDailyBudget(database.db, 'other', 1).spend(day)).toBe(true);
  });

  it.each([0, 1.5, -1])('of %d requests is refused', (dailyRequests) => {
    expect(() => createDailyBudget(database.db, 'paid', dailyRequests)).toThrow(RangeError);
  });
});

describe('another model', () => {
  const vectorsBy = async (model: string) =>
    (
      await database.db
        .selectFrom('embeddings')
        .select('asset_id')
        .where('model', '=', model)
        .execute()
    ).length;
  const old = async (count: number, model = 'old') => {
    const values = Array.from({ length: count }, () => Float32Array.of(1, 0));
    const ids = await addEmbedded(database, 'ada', values, { model });
    putThumbnails(ids);
    return ids;
  };

  it('embeds everything anew after the start, behind what is new; until then the old vectors stay', async () => {
    await old(30);
    await old(10, 'older');
    await old(5, 'new');
    const { embedder, asked } = scripted({
      model: 'new',
      pace: { provider: 'slow', requestsPerMinute: 5 },
    });
    await workersOf(embedder).start();
    await vi.waitFor(() => expect(asked).toHaveLength(1), 10_000);
    await vi.waitFor(async () => expect(await jobs()).toMatchObject({ priorities: [-10] }), 10_000);
    await vi.waitFor(async () => expect(await vectorsBy('new')).toBe(6), 10_000);
    expect((await vectorsBy('old')) + (await vectorsBy('older'))).toBe(39);
    // All stay searchable, and nothing is told to have failed.
    expect(await counts()).toEqual({ embedded: 45, failed: 0, tried: 0, told: 0 });
    const [fresh = ''] = await waitingBeside();
    nowMs += 12_100;
    await vi.waitFor(() => expect(asked.at(-1)).toBe(fresh), 10_000);
  });

  /** A new image, while others wait to be embedded anew. */
  async function waitingBeside(): Promise<string[]> {
    const ids = await addEmbedded(database, 'ada', [Float32Array.of(1, 0)], { model: 'x' });
    await database.db.deleteFrom('embeddings').where('asset_id', 'in', ids).execute();
    await database.db
      .updateTable('assets')
      .set({ embedded: false })
      .where('id', 'in', ids)
      .execute();
    putThumbnails(ids);
    await database.db.transaction().execute((tx) =>
      queue.enqueue(
        tx,
        'embed',
        ids.map((assetId) => ({ assetId })),
      ),
    );
    return ids;
  }

  it('gives each asset one job, whoever starts, however often, whatever was interrupted', async () => {
    await old(2500);
    const interrupted = new AbortController();
    const enqueue = vi.spyOn(queue, 'enqueue').mockImplementationOnce(async (...args) => {
      enqueue.mockRestore();
      await queue.enqueue(...args);
      interrupted.abort();
    });
    expect(await enqueueReembedding(database, queue, 'new', interrupted.signal)).toBe(1000);
    const both = await Promise.all([
      enqueueReembedding(database, queue, 'new'),
      database.engine.kind === 'postgres' ? enqueueReembedding(database, queue, 'new') : 0,
    ]);
    expect(both[0] + both[1]).toBe(1500);
    expect(await enqueueReembedding(database, queue, 'new')).toBe(0);
    expect(await queue.depth('embed')).toBe(2500);
    expect(await enqueueReembedding(database, queue, 'old')).toBe(0);
  });

  it('that refuses an image for good leaves it its old vector, and does not ask again by itself', async () => {
    const [id = ''] = await old(1);
    const refusal = new EmbeddingError('The model takes no such image', 'permanent');
    const { embedder, asked } = scripted({ model: 'new', answer: () => refusal });
    await workersOf(embedder).start();
    await vi.waitFor(async () =>
      expect(await loadAsset(database.db, id)).toMatchObject({
        embedded: true,
        failed: false,
        embedding_error: { code: 'embedding_failed' },
      }),
    );
    expect(await vectorsBy('old')).toBe(1);
    expect(await enqueueReembedding(database, queue, 'new')).toBe(0);
    expect(asked).toHaveLength(1);
    // Yet another model may.
    expect(await enqueueReembedding(database, queue, 'newer')).toBe(1);
  });
});

describe('what leaves this server', () => {
  it('is the thumbnail: not the original, its name, its key or a URL', async () => {
    const provider = await startFakeProvider();
    provider.answer = () => ({
      body: { id: 'p', status: 'succeeded', output: [[0.1, 0.2]], urls: {} },
    });
    try {
      const original = await photo(5, 400, 300).jpeg().toBuffer();
      const id = await finalizeUpload({ db: database.db, queue, blobs }, original);
      const embedder = createReplicateEmbedder({
        ...{ token: 'r8_secret', model: 'owner/clip', dimensions: 2 },
        baseUrl: provider.url,
      });
      await workersOf(embedder).start();
      await vi.waitFor(
        async () => expect(await loadAsset(database.db, id)).toMatchObject({ embedded: true }),
        { timeout: 10_000 },
      );
      expect(provider.requests).toHaveLength(1);
      const { key } = await loadAsset(database.db, id);
      const sent = JSON.stringify(provider.requests[0]?.body);
      const thumbnail = Buffer.from(blobs.objects.get(thumbnailKey(key)) ?? []);
      expect(thumbnail.length).toBeGreaterThan(100);
      expect(sent).toBe(
        JSON.stringify({
          input: { image: `data:image/webp;base64,${thumbnail.toString('base64')}` },
        }),
      );
      expect(sent).not.toContain(original.toString('base64').slice(0, 200));
    } finally {
      await provider.close();
    }
  });
});
