import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { findOrStartPostgres } from '../../scripts/services.mjs';
import {
  createFileSystemStore,
  type FileSystemStore,
} from '../../server/src/blobs/file-system-store.ts';
import { originalKey } from '../../server/src/blobs/keys.ts';
import { openEmbeddedDatabase } from '../../server/src/database/embedded-database.ts';
import type { OpenDatabase } from '../../server/src/database/open-database.ts';
import { openPostgresDatabase } from '../../server/src/database/postgres-database.ts';
import { createLocalVisualEmbedder } from '../../server/src/embeddings/local-visual.ts';
import { createPgBossQueue } from '../../server/src/jobs/pg-boss-queue.ts';
import type { Queue } from '../../server/src/jobs/queue.ts';
import { createWorkers } from '../../server/src/jobs/workers.ts';
import { silentLogger } from '../../server/src/logging.ts';
import { POISON_DECODER, POISONS } from '../../server/test/fixtures/poison-images.ts';
import type { EngineName } from './options.ts';

const USER = 'ada';

export interface WorkerRunOptions {
  readonly engine: EngineName;
  readonly paths: readonly string[];
  readonly concurrency: number;
  readonly poison: number;
}

interface Bench {
  database: OpenDatabase;
  blobs: FileSystemStore;
  queue: Queue;
}

/**
 * The worker as it is: queue, database, store on disk, decoder children. Only embedding is left out.
 * From the commit that enqueues the images to the commit of the last one. @returns files/s
 */
export async function runWorker(options: WorkerRunOptions): Promise<number> {
  const { engine, paths, concurrency, poison } = options;
  const dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-worker-'));
  const opened = await openDatabase(engine, dir);
  const { database } = opened;
  try {
    const blobs = await createFileSystemStore({
      dir: path.join(dir, 'blobs'),
      publicUrl: 'http://127.0.0.1',
      secret: 'a secret of at least thirty-two bytes',
    });
    const queue = createPgBossQueue({ database, logger: silentLogger });
    await queue.start();
    const bench = { database, blobs, queue };
    const done = createCounter();
    const workers = createWorkers({
      database,
      queue: {
        ...queue,
        work: async (...job) => job[0] === 'process' && queue.work(...job),
      } as Queue,
      blobs,
      embedder: createLocalVisualEmbedder(),
      changes: { changed: (users) => done.add([...users].length) },
      logger: silentLogger,
      processConcurrency: concurrency,
      ...(poison > 0 && {
        decoder: { script: POISON_DECODER },
      }),
    });
    await workers.start();
    try {
      const warm = await store(bench, paths.slice(0, concurrency));
      await enqueue(bench, warm);
      await done.reaches(concurrency);
      const poisoned = await store(bench, paths.slice(0, poison), Buffer.from(POISONS.crash));
      const originals = await store(bench, paths);
      const startedAt = performance.now();
      await enqueue(bench, [...poisoned, ...originals]);
      await done.reaches(concurrency + paths.length);
      return paths.length / ((performance.now() - startedAt) / 1000);
    } finally {
      await workers.stop(0);
    }
  } finally {
    await database.close();
    await opened.drop();
    await rm(dir, { recursive: true, force: true });
  }
}

interface Original {
  id: string;
  key: string;
  size: number;
}

async function store(
  { blobs }: Bench,
  paths: readonly string[],
  suffix: Uint8Array = new Uint8Array(0),
): Promise<Original[]> {
  const originals: Original[] = [];
  for (const file of paths) {
    const bytes = Buffer.concat([await readFile(file), suffix]);
    const id = randomUUID();
    const key = originalKey(USER, id, Date.now());
    await blobs.write(key, bytes, 'image/jpeg');
    originals.push({ id, key, size: bytes.length });
  }
  return originals;
}

/** As finalize does: assets and their jobs in one transaction. */
async function enqueue({ database, queue }: Bench, originals: readonly Original[]): Promise<void> {
  await database.db.transaction().execute(async (tx) => {
    await tx
      .insertInto('assets')
      .values(
        originals.map(({ id, key, size }) => ({
          ...{ id, key, size, user_id: USER, checksum: id, search_words: 'a' },
          ...{ filename: 'a.jpg', mime_type: 'image/jpeg' },
        })),
      )
      .execute();
    await queue.enqueue(
      tx,
      'process',
      originals.map(({ id }) => ({ assetId: id })),
    );
  });
}

/** Counts changes; a poisoned image makes none before its third crash. */
function createCounter() {
  let count = 0;
  let waiting: { count: number; resolve: () => void } | undefined;
  return {
    add(more: number) {
      count += more;
      if (waiting && count >= waiting.count) waiting.resolve();
    },
    reaches: (target: number) =>
      new Promise<void>((resolve) => {
        waiting = { count: target, resolve };
        if (count >= target) resolve();
      }),
  };
}

async function openDatabase(
  engine: EngineName,
  dir: string,
): Promise<{ database: OpenDatabase; drop: () => Promise<void> }> {
  if (engine === 'pglite') {
    const database = await openEmbeddedDatabase(path.join(dir, 'database'));
    return { database, drop: () => Promise.resolve() };
  }
  const service = await findOrStartPostgres();
  const name = `bulkhead_bench_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  await administer(service.url, `create database ${name}`);
  const url = new URL(service.url);
  url.pathname = `/${name}`;
  return {
    database: await openPostgresDatabase({ url: url.href, logger: silentLogger }),
    async drop() {
      await administer(service.url, `drop database if exists ${name} with (force)`);
      await service.stop();
    },
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
