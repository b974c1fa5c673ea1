import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { originalKey } from '../src/blobs/keys.ts';
import { type BulkheadServer, createBulkheadServer } from '../src/create-server.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createLocalVisualEmbedder } from '../src/embeddings/local-visual.ts';
import type { SliceResult } from '../src/jobs/job-slices.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { createWorkers, type Workers } from '../src/jobs/workers.ts';
import { finalizeUpload, loadAsset } from './fixtures/assets.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import { photo, SVG } from './fixtures/images.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const SECRET = 'a-cron-secret-of-more-than-32-characters';
const AUTHORIZED = { authorization: `Bearer ${SECRET}` };

let database: OpenDatabase;
let queue: Queue;
let workers: Workers;
let server: BulkheadServer;
let blobs: ReturnType<typeof memoryBlobStore>;
let logger: ReturnType<typeof recordingLogger>;
let embedder: ReturnType<typeof createLocalVisualEmbedder>;
let picture: Buffer;

beforeAll(async () => {
  database = await openTestDatabase();
  picture = await photo(1, 160, 120).jpeg().toBuffer();
});
afterAll(() => database.close());
beforeEach(async () => {
  logger = recordingLogger();
  blobs = memoryBlobStore();
  embedder = createLocalVisualEmbedder();
  queue = createPgBossQueue({ database, logger });
  await queue.start();
  start();
});
afterEach(async () => {
  await server.close();
  await workers.stop(0);
  await queue.stop(0);
  await run(database.db, 'delete from pgboss.job', 'delete from assets');
});

/** As a serverless host has it: nothing is started but the queue. */
function start(cron: { secret?: string; maxJobs?: number; deadlineMs?: number } = {}) {
  server = createBulkheadServer({
    database,
    blobStore: blobs,
    queue,
    logger,
    authorize: async () => null,
    cron: { secret: SECRET, run: (name, bounds) => workers.slice(name, bounds), ...cron },
  });
  const changes = server.changes;
  workers = createWorkers({ database, queue, blobs, embedder, changes, logger });
}

const call = (route: string, init: RequestInit = { method: 'POST', headers: AUTHORIZED }) =>
  server.fetch(new Request(`http://api.test/api/cron/${route}`, init));

async function slice(route: string): Promise<SliceResult> {
  const answer = await call(route);
  expect(answer.status).toBe(200);
  return answer.json() as Promise<SliceResult>;
}

async function uploads(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    ids.push(await finalizeUpload({ db: database.db, queue, blobs }, picture));
  }
  return ids;
}

describe('a call of the cron', () => {
  test('does the work of each stage and says how much, in its answer and its log', async () => {
    const ids = await uploads(3);
    await finalizeUpload({ db: database.db, queue, blobs }, SVG);
    const images = { processed: 3, failed: 1, retried: 0, remaining: 0 };
    expect(await slice('process-images')).toEqual(images);
    const embeddings = { processed: 3, failed: 0, retried: 0, remaining: 0 };
    expect(await slice('process-embeddings')).toEqual(embeddings);
    for (const id of ids) {
      expect(await loadAsset(database.db, id)).toMatchObject({ processed: true, embedded: true });
    }
    const lines = logger.lines.filter(({ message }) => message.startsWith('[Cron]'));
    expect(lines.map(({ message }) => message)).toEqual([
      '[Cron] process-images: processed 3, failed 1, will retry 0, 0 remaining',
      '[Cron] process-embeddings: processed 3, failed 0, will retry 0, 0 remaining',
    ]);
  });

  test('takes no more than its bound, the oldest first, and the next call goes on', async () => {
    await server.close();
    start({ maxJobs: 2 });
    const ids = await uploads(5);
    expect(await slice('process-images')).toMatchObject({ processed: 2, remaining: 3 });
    const processed = async () =>
      Promise.all(ids.map(async (id) => (await loadAsset(database.db, id)).processed));
    expect(await processed()).toEqual([true, true, false, false, false]);
    expect(await slice('process-images')).toMatchObject({ processed: 2, remaining: 1 });
    expect(await slice('process-images')).toMatchObject({ processed: 1, remaining: 0 });
    expect(await slice('process-images')).toMatchObject({ processed: 0, remaining: 0 });
  });

  test('answers when its time is over, and gives back what still runs', async () => {
    await server.close();
    start({ deadlineMs: 300 });
    const [id = ''] = await uploads(1);
    const read = blobs.read.bind(blobs);
    blobs.read = async (key) => {
      blobs.read = read;
      await new Promise((resolve) => setTimeout(resolve, 600));
      return read(key);
    };
    const startedMs = performance.now();
    expect(await slice('process-images')).toMatchObject({ processed: 0, failed: 0, remaining: 1 });
    expect(performance.now() - startedMs).toBeLessThan(5000);
    expect(await loadAsset(database.db, id)).toMatchObject({
      processed: false,
      processing_retry_count: 0,
    });
    await server.close();
    start();
    // Given back, it is due again within the queue's backoff.
    await vi.waitFor(
      async () => {
        await slice('process-images');
        expect(await loadAsset(database.db, id)).toMatchObject({ processed: true });
      },
      { timeout: 15_000, interval: 200 },
    );
  });

  test('68: missed, doubled and overlapping calls do each job once, and catch up', async () => {
    const ids = await uploads(30);
    const embedded: string[] = [];
    const embed = embedder.embed.bind(embedder);
    embedder.embed = async (image, signal) => {
      embedded.push('');
      return embed(image, signal);
    };
    const runs = await Promise.all(Array.from({ length: 10 }, () => slice('process-images')));
    expect(runs.reduce((sum, { processed }) => sum + processed, 0)).toBe(30);
    const twice = await Promise.all(Array.from({ length: 10 }, () => slice('process-embeddings')));
    expect(twice.reduce((sum, { processed }) => sum + processed, 0)).toBe(30);
    expect(embedded).toHaveLength(30);
    for (const id of ids)
      expect(await loadAsset(database.db, id)).toMatchObject({ embedded: true });
  });

  test('shares the jobs with workers that run beside it', async () => {
    await uploads(20);
    const embedded = vi.spyOn(embedder, 'embed');
    const running = workers.start();
    const { processed } = await slice('process-images');
    expect(processed).toBeLessThanOrEqual(20);
    await running;
    await vi.waitFor(
      async () => {
        const row = await database.db
          .selectFrom('assets')
          .select(({ fn }) => fn.countAll<number>().as('n'))
          .where('embedded', '=', true)
          .executeTakeFirstOrThrow();
        expect(row.n).toBe(20);
      },
      { timeout: 20_000 },
    );
    expect(embedded).toHaveBeenCalledTimes(20);
  });

  test('finds assets that lost their job, as no worker may ever start to look for them', async () => {
    const id = await finalizeUpload({ db: database.db, queue, blobs }, picture, {
      isEnqueued: false,
    });
    expect(await slice('process-images')).toMatchObject({ processed: 1 });
    expect(await loadAsset(database.db, id)).toMatchObject({ processed: true });
  });

  test('by GET works as well, which is how Vercel calls; by HEAD it does nothing', async () => {
    await uploads(1);
    const head = await call('process-images', { method: 'HEAD', headers: AUTHORIZED });
    expect(head.status).toBe(405);
    const answer = await call('process-images', { headers: AUTHORIZED });
    expect(await answer.json()).toMatchObject({ processed: 1 });
  });
});

test('the sweep may be called too, where no process lives to start it', async () => {
  await database.db
    .insertInto('uploads')
    .values({
      ...{
        id: randomUUID(),
        user_id: 'ada',
        client_id: 'c',
        key: originalKey('ada', randomUUID(), 0),
      },
      ...{ filename: 'a.jpg', path: null, mime_type: 'image/jpeg', size: 1, checksum: 'c' },
      ...{ state: 'pending', expires_at: new Date(0) },
    })
    .execute();
  const answer = await call('sweep');
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ reservations: 1 });
  expect((await call('sweep', { method: 'POST' })).status).toBe(401);
});

test('what vercel.json of the Next.js example calls is there', async () => {
  const file = new URL('../../examples/nextjs/vercel.json', import.meta.url);
  const { crons } = JSON.parse(await readFile(file, 'utf8'));
  expect(crons).toHaveLength(3);
  for (const { path } of crons as { path: string }[]) {
    expect((await call(path.replace('/api/cron/', ''), { headers: AUTHORIZED })).status).toBe(200);
  }
});

describe('the secret of the cron', () => {
  test('T21: none, an empty or a wrong one is 401, and nothing is done', async () => {
    await uploads(1);
    const wrong = [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer wrong',
      `Bearer ${SECRET.slice(0, -1)}`,
      `Bearer ${SECRET}x`,
      `Basic ${SECRET}`,
      SECRET,
    ];
    for (const authorization of wrong) {
      for (const route of ['process-images', 'process-embeddings']) {
        for (const method of ['POST', 'GET']) {
          const headers: HeadersInit = authorization === undefined ? {} : { authorization };
          const answer = await call(route, { method, headers });
          expect([authorization, answer.status]).toEqual([authorization, 401]);
        }
      }
    }
    expect((await call(`process-images?secret=${SECRET}`, { method: 'POST' })).status).toBe(401);
    expect(await queue.depth('process')).toBe(1);
    expect(JSON.stringify(logger.lines)).not.toContain(SECRET);
  });

  test('without one the routes do not exist, and production refuses to start', async () => {
    const options = {
      database,
      blobStore: blobs,
      queue,
      logger,
      authorize: async () => null,
    };
    const parts = { run: workers.slice };
    const open = createBulkheadServer({ ...options, cron: parts });
    const request = () =>
      new Request('http://api.test/api/cron/process-images', {
        method: 'POST',
        headers: AUTHORIZED,
      });
    expect((await open.fetch(request())).status).toBe(404);
    expect((await createBulkheadServer(options).fetch(request())).status).toBe(404);
    vi.stubEnv('NODE_ENV', 'production');
    try {
      expect(() => createBulkheadServer({ ...options, cron: parts })).toThrow(
        'cron.secret: in production cron needs a secret of at least 32 characters',
      );
      createBulkheadServer(options);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(() => createBulkheadServer({ ...options, cron: { ...parts, secret: 'short' } })).toThrow(
      'cron.secret: expected at least 32 printable',
    );
  });
});
