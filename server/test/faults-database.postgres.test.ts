import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFileSystemStore, type FileSystemStore } from '../src/blobs/file-system-store.ts';
import { type BulkheadServer, createBulkheadServer } from '../src/create-server.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { openPostgresDatabase } from '../src/database/postgres-database.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { silentLogger } from '../src/logging.ts';
import { createPostgresDatabase } from './fixtures/databases.ts';
import { startTcpProxy, type TcpProxy } from './fixtures/tcp-proxy.ts';

vi.setConfig({ testTimeout: 60_000 });

const CONNECTIONS = 2;
const USERS = 10;

describe('the API on a PostgreSQL database', () => {
  let drop: () => Promise<void>;
  let dir: string;
  let proxy: TcpProxy;
  let database: OpenDatabase;
  let queue: Queue;
  let store: FileSystemStore;
  let server: BulkheadServer;

  beforeEach(async () => {
    const made = await createPostgresDatabase();
    ({ drop } = made);
    dir = await mkdtemp(join(tmpdir(), 'bulkhead-faults-'));
    const url = new URL(made.url);
    proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port || 5432) });
    url.host = `127.0.0.1:${proxy.port}`;
    database = await openPostgresDatabase({
      url: url.href,
      maxConnections: CONNECTIONS,
      connectTimeoutMs: 150,
      logger: silentLogger,
    });
    store = await createFileSystemStore({
      dir,
      publicUrl: 'http://127.0.0.1:1',
      secret: randomUUID() + randomUUID(),
    });
    queue = createPgBossQueue({ database, logger: silentLogger });
    await queue.start();
    server = createBulkheadServer({
      ...{ database, queue, blobStore: store, logger: silentLogger },
      authorize: async (request) => request.headers.get('x-user'),
    });
  });
  afterEach(async () => {
    await server.close();
    await queue.stop(0);
    await database.close();
    await proxy.close();
    await drop();
    await rm(dir, { recursive: true, force: true });
  });

  const call = (userId: string, path: string, body?: unknown) =>
    server.fetch(
      new Request(`http://127.0.0.1${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json', 'x-user': userId },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );

  /** Reserves and stores so many files. */
  async function upload(userId: string, count: number): Promise<string[]> {
    const photos = Array.from({ length: count }, () => {
      const bytes = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46]);
      return Buffer.concat([bytes, Buffer.from(randomUUID())]);
    });
    const files = photos.map((bytes, at) => ({
      clientId: randomUUID(),
      filename: `${at}.jpg`,
      mimeType: 'image/jpeg',
      size: bytes.length,
      checksum: createHash('sha256').update(bytes).digest('hex'),
    }));
    const answer = await call(userId, '/api/upload-urls', { files });
    const { results } = (await answer.json()) as {
      results: { credential: { uploadUrl: string; assetId: string; headers: HeadersInit } }[];
    };
    for (const [at, { credential }] of results.entries()) {
      const { uploadUrl, headers } = credential;
      const body = new Uint8Array(photos[at] ?? []);
      const put = await store.fetch(new Request(uploadUrl, { method: 'PUT', headers, body }));
      expect(put.status).toBe(201);
    }
    return results.map(({ credential }) => credential.assetId);
  }

  const assetCount = async () => {
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from assets`.execute(
      database.db,
    );
    return rows[0]?.n;
  };

  it('64: answers 503 when all connections are taken, and everything arrives in the end', async () => {
    const users = Array.from({ length: USERS }, () => randomUUID());
    const uploads: { userId: string; assetId: string }[] = [];
    for (const userId of users) {
      for (const assetId of await upload(userId, 20)) uploads.push({ userId, assetId });
    }
    let refused = 0;
    let most = 0;
    const pool = (database.engine as { pool: pg.Pool }).pool;
    const finalize = async ({ userId, assetId }: (typeof uploads)[number]) => {
      for (;;) {
        const answer = await call(userId, '/api/upload-complete', { assetId });
        most = Math.max(most, pool.totalCount);
        if (answer.status === 200) return;
        expect(answer.status).toBe(503);
        expect(answer.headers.get('content-type')).toBe('application/problem+json');
        const retryAfterSeconds = Number(answer.headers.get('retry-after'));
        expect(retryAfterSeconds).toBeGreaterThanOrEqual(1);
        refused++;
        // A tenth of what was asked, so that they come too early: the worst that a client does.
        await sleep(retryAfterSeconds * 100 * (1 + Math.random()));
      }
    };
    // Whatever else a server does with its connections.
    const busy = Array.from({ length: CONNECTIONS }, () =>
      sql`select pg_sleep(0.6)`.execute(database.db),
    );
    await Promise.all([...busy, ...uploads.map(finalize)]);
    expect(refused).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(CONNECTIONS);
    expect(await assetCount()).toBe(uploads.length);
    expect(await queue.depth('process')).toBe(uploads.length);
  });

  it('63: answers 503 while the database is away, and finalizes once when it is back', async () => {
    const userId = randomUUID();
    const [assetId = ''] = await upload(userId, 1);
    proxy.cut();
    for (const answer of [
      await call(userId, '/api/upload-complete', { assetId }),
      await call(userId, '/api/processing-stats'),
      await call(userId, '/api/assets'),
      await call(userId, '/readyz'),
    ]) {
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
    proxy.restore();
    for (let time = 1; time <= 2; time++) {
      expect((await call(userId, '/api/upload-complete', { assetId })).status).toBe(200);
    }
    expect(await assetCount()).toBe(1);
    expect(await queue.depth('process')).toBe(1);
  });

  it('63: survives the end of connections that are in the middle of a transaction', async () => {
    const inTransaction = database.db.transaction().execute(async (tx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
      await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(database.db);
      // Nothing is being asked of it while it is lost.
      await sleep(100);
      await sql`select 1`.execute(tx);
    });
    await expect(inTransaction).rejects.toThrow();
    expect((await call(randomUUID(), '/api/assets')).status).toBe(200);
  });
});
