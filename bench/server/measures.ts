import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UploadUrlResult } from 'bulkhead/protocol';
import { createFileSystemStore } from '../../server/src/blobs/file-system-store.ts';
import { createBulkheadServer } from '../../server/src/create-server.ts';
import type { OpenDatabase } from '../../server/src/database/open-database.ts';
import { createPgBossQueue } from '../../server/src/jobs/pg-boss-queue.ts';
import type { Queue } from '../../server/src/jobs/queue.ts';
import { recoverStranded } from '../../server/src/jobs/recover.ts';
import { createStatsReader } from '../../server/src/library/stats.ts';
import { silentLogger } from '../../server/src/logging.ts';
import { USER } from './fill.ts';

/** What was measured, one time a sample. */
export interface Measure {
  readonly name: string;
  readonly timesMs: readonly number[];
  /** What p95 is to stay below. */
  readonly goalMs: number;
}

interface Photo {
  clientId: string;
  filename: string;
  path: string;
  mimeType: string;
  size: number;
  checksum: string;
  bytes: Uint8Array<ArrayBuffer>;
}

const BATCH = 100;
const STAGES = ['processing', 'embedding', 'searchable', 'failed'] as const;
const READ_GOAL_MS = 100;
const WRITE_GOAL_MS = 200;
const JOBS_CHUNK = 20_000;
/** Fewer than wait at 10,000 assets. */
const JOBS_MEASURED = 300;

/** Everything that a page or a worker waits for, against the server as it is deployed. */
export async function measureServer(
  database: OpenDatabase,
  options: { rounds: number; assets: number; jobs: number },
  onMeasure: (name: string) => void,
): Promise<Measure[]> {
  const { db } = database;
  const { rounds } = options;
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-bench-store-'));
  const store = await createFileSystemStore({
    dir,
    publicUrl: 'http://127.0.0.1:1',
    secret: randomUUID() + randomUUID(),
  });
  const queue = createPgBossQueue({ database, logger: silentLogger });
  const server = createBulkheadServer({
    database,
    blobStore: store,
    queue,
    authorize: async () => USER,
    logger: silentLogger,
    limits: { rateLimitCapacity: 1_000_000 },
  });
  const measures: Measure[] = [];
  const measure = async (
    name: string,
    goalMs: number,
    work: (round: number) => Promise<unknown>,
    count = rounds,
  ) => {
    onMeasure(name);
    const timesMs: number[] = [];
    for (let round = 0; round < count; round++) {
      const startMs = performance.now();
      await work(round);
      timesMs.push(performance.now() - startMs);
    }
    measures.push({ name, goalMs, timesMs });
  };
  const call = async (path: string, body?: unknown) => {
    const init: RequestInit = { headers: { 'content-type': 'application/json' } };
    if (body !== undefined) Object.assign(init, { method: 'POST', body: JSON.stringify(body) });
    const response = await server.fetch(new Request(`http://127.0.0.1${path}`, init));
    if (response.status !== 200) throw new Error(`${path}: ${await response.text()}`);
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
    return (await response.json()) as any;
  };

  try {
    await queue.start();
    for (let left = options.jobs; left > 0; left -= JOBS_CHUNK) {
      const jobs = Array.from({ length: Math.min(left, JOBS_CHUNK) }, () => ({
        assetId: randomUUID(),
      }));
      await db.transaction().execute((tx) => queue.enqueue(tx, 'process', jobs));
    }
    await measure(
      'recover: enqueue what has no job',
      Number.POSITIVE_INFINITY,
      () => recoverStranded(db, queue),
      1,
    );
    await measure(
      'recover: nothing to do',
      Number.POSITIVE_INFINITY,
      () => recoverStranded(db, queue),
      1,
    );

    const batches = Array.from({ length: rounds }, () => Array.from({ length: BATCH }, photo));
    const issued: UploadUrlResult[][] = [];
    await measure('credentials for 100', WRITE_GOAL_MS, async (round) => {
      const files = (batches[round] ?? []).map(({ bytes: _, ...file }) => file);
      issued.push((await call('/api/upload-urls', { files })).results);
    });
    onMeasure('PUT of the objects');
    const uploads: { assetId: string; checksum: string }[][] = [];
    for (const [round, results] of issued.entries()) {
      uploads.push(
        await Promise.all(
          results.map(async (result, at) => {
            const file = batches[round]?.[at];
            if (result.status !== 'granted' || !file)
              throw new Error(`Not granted: ${result.status}`);
            const { uploadUrl, headers, assetId } = result.credential;
            const { status } = await store.fetch(
              new Request(uploadUrl, { method: 'PUT', headers, body: file.bytes }),
            );
            if (status !== 201) throw new Error(`PUT was answered ${status}`);
            return { assetId, checksum: file.checksum };
          }),
        ),
      );
    }
    await measure('finalize of 100', WRITE_GOAL_MS, async (round) => {
      const { results } = await call('/api/upload-complete', { uploads: uploads[round] });
      const failed = results.find(({ success }: { success: boolean }) => !success);
      if (failed) throw new Error(`Not finalized: ${JSON.stringify(failed)}`);
    });
    await measure('finalize of 100, repeated', WRITE_GOAL_MS, (round) =>
      call('/api/upload-complete', { uploads: uploads[round] }),
    );

    let nowMs = 0;
    // A clock that leaps: every reading is a query.
    const stats = createStatsReader(db, () => (nowMs += 60_000));
    await measure('stats', READ_GOAL_MS, () => stats.read(USER));
    await measure('assets page, first', READ_GOAL_MS, () => call('/api/assets?limit=50'));
    const deep = await deepCursor(database, options.assets);
    await measure('assets page, deep', READ_GOAL_MS, () =>
      call(`/api/assets?limit=50&cursor=${deep}`),
    );
    for (const stage of STAGES) {
      await measure(`assets page, ${stage}`, READ_GOAL_MS, () =>
        call(`/api/assets?limit=50&stage=${stage}`),
      );
      await measure(`assets page, ${stage}, deep`, READ_GOAL_MS, () =>
        call(`/api/assets?limit=50&stage=${stage}&cursor=${deep}`),
      );
    }
    const middle = await db
      .selectFrom('assets')
      .select('version')
      .where('user_id', '=', USER)
      .orderBy('version')
      .offset(Math.floor(options.assets / 2))
      .limit(1)
      .executeTakeFirstOrThrow();
    await measure('500 changes since a version', READ_GOAL_MS, () =>
      db
        .selectFrom('assets')
        .selectAll()
        .where('user_id', '=', USER)
        .where('version', '>', middle.version)
        .orderBy('version')
        .limit(500)
        .execute(),
    );
    for (const [what, words] of [
      ['a word in every name', 'img'],
      ['a word in 1 of 1,000', 'day 77'],
      ['a word in 1 of 100,000', 'heron'],
      ['a prefix', 'tri'],
      ['two words, one in every name', 'img heron'],
      ['a prefix of many numbers', '00'],
      ['the oldest only', '0000077'],
      ['no such word', 'zebra'],
    ] as const) {
      await measure(`search: ${what}`, READ_GOAL_MS, () =>
        call(`/api/search?limit=50&q=${encodeURIComponent(words)}`),
      );
    }
    // The worst there is: none among the newest, so that all the others must be sorted.
    await measure('search: a word in half of all, the older', Number.POSITIVE_INFINITY, () =>
      call('/api/search?limit=50&q=analog'),
    );
    const known = Array.from({ length: 500 }, (_, at) => ({
      clientId: `client-${at + 1}`,
      checksum: createHash('sha256')
        .update(at % 2 ? `${USER}:${at + 1}` : randomUUID())
        .digest('hex'),
    }));
    await measure('reconcile of 500', WRITE_GOAL_MS, () =>
      call('/api/uploads/reconcile', { files: known }),
    );
    await measure('queue depth', READ_GOAL_MS, () => queue.depth('process'));
    const ids = uploads.flat().map(({ assetId }) => assetId);
    await measure('queue: which of 1,000 assets have a job', READ_GOAL_MS, () =>
      queue.pending('process', ids.slice(0, 1000)),
    );
    onMeasure('jobs claimed and settled');
    measures.push(await measureJobs(queue));
    return measures;
  } finally {
    await server.close();
    await queue.stop(0);
    await rm(dir, { recursive: true, force: true });
  }
}

/** The queue's own pace, with a handler that does nothing: what each job takes beside its work. */
async function measureJobs(queue: Queue): Promise<Measure> {
  const timesMs: number[] = [];
  let lastMs = performance.now();
  await new Promise<void>((resolve) => {
    void queue.work('process', 8, async () => {
      const nowMs = performance.now();
      if (timesMs.length < JOBS_MEASURED) timesMs.push(nowMs - lastMs);
      else resolve();
      lastMs = nowMs;
    });
  });
  return { name: 'queue: from one job to the next', goalMs: READ_GOAL_MS, timesMs };
}

/** Begins like a JPEG and is small: finalize looks at the first bytes, and nothing decodes it here. */
function photo(): Photo {
  const bytes = new Uint8Array(256);
  crypto.getRandomValues(bytes);
  bytes.set([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46]);
  const filename = `IMG_${Math.floor(Math.random() * 10_000_000)}.jpg`;
  return {
    clientId: randomUUID(),
    filename,
    path: `Photos/2026/new/${filename}`,
    mimeType: 'image/jpeg',
    size: bytes.length,
    checksum: createHash('sha256').update(bytes).digest('hex'),
    bytes,
  };
}

/** The cursor of the page in the middle. */
async function deepCursor({ db }: OpenDatabase, assets: number): Promise<string> {
  const row = await db
    .selectFrom('assets')
    .select(['created_at', 'id'])
    .where('user_id', '=', USER)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .offset(Math.floor(assets / 2))
    .limit(1)
    .executeTakeFirstOrThrow();
  return Buffer.from(JSON.stringify([row.created_at.toISOString(), row.id])).toString('base64url');
}
