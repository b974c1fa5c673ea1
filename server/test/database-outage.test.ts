import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type BulkheadServer, createBulkheadServer } from '../src/create-server.ts';
import { changeAssets } from '../src/database/change-assets.ts';
import { isConflict, isUnavailable } from '../src/database/database-failure.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { openPostgresDatabase } from '../src/database/postgres-database.ts';
import { retryConflicts } from '../src/database/retry-conflicts.ts';
import { createPostgresDatabase } from './fixtures/databases.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { startTcpProxy, type TcpProxy } from './fixtures/tcp-proxy.ts';

vi.setConfig({ testTimeout: 60_000, expect: { poll: { timeout: 15_000 } } });

const POOL = 4;
const TOKEN = 'an-operator-token-of-more-than-32-characters';
let proxy: TcpProxy;
/** What the server uses, through the proxy. */
let database: OpenDatabase;
/** Not through the proxy. */
let direct: OpenDatabase;
let drop: () => Promise<void>;
let server: BulkheadServer;
const logger = recordingLogger();

beforeAll(async () => {
  const created = await createPostgresDatabase();
  drop = created.drop;
  const url = new URL(created.url);
  proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port || 5432) });
  url.port = String(proxy.port);
  url.hostname = '127.0.0.1';
  const options = { maxConnections: POOL, connectTimeoutMs: 500, logger };
  database = await openPostgresDatabase({ ...options, url: url.href });
  direct = await openPostgresDatabase({ ...options, url: created.url });
  server = createBulkheadServer({
    database,
    blobStore: memoryBlobStore(),
    // biome-ignore lint/suspicious/noExplicitAny: never called
    queue: {} as any,
    authorize: async () => 'ada',
    operatorToken: TOKEN,
    logger,
  });
});
afterAll(async () => {
  await server?.close();
  await database?.close();
  await direct?.close();
  await proxy?.close();
  await drop?.();
});

const headers = { authorization: `Bearer ${TOKEN}` };
const ask = (path: string) => server.fetch(new Request(`http://kit.test${path}`, { headers }));

async function expectUnavailable(response: Response): Promise<void> {
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  const problem = await response.json();
  expect(problem).toMatchObject({ code: 'unavailable' });
  // Nothing of where the database is.
  expect(JSON.stringify(problem)).not.toMatch(/127\.0\.0\.1|ECONN|pool|terminat/);
}

/** Ends the server's own connections, as a failover does. */
const terminate = () =>
  sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'bulkhead'
      and pid <> pg_backend_pid() and client_port in (
        select client_port from pg_stat_activity where application_name = 'bulkhead')`.execute(
    direct.db,
  );

describe('63: while the database is away', () => {
  test('every route answers 503 with Retry-After, and works again as soon as it is back', async () => {
    const paths = ['/api/assets', '/api/sse/processing-updates', '/api/search?q=a'];
    for (const path of paths) expect((await ask(path)).status, path).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
    proxy.cut();
    for (const path of paths) await expectUnavailable(await ask(path));
    await expect
      .poll(async () => (await ask('/readyz')).json(), { timeout: 5000 })
      .toEqual({ status: 'not ready', failed: ['database'] });
    expect((await ask('/healthz')).status).toBe(200);
    const metrics = await (await ask('/metrics')).text();
    expect(metrics).toContain('bulkhead_database_up 0');
    expect(metrics).not.toContain('bulkhead_queue_depth{');
    proxy.restore();
    for (const path of paths) expect((await ask(path)).status, path).toBe(200);
    await expect.poll(async () => (await ask('/readyz')).status).toBe(200);
    expect(await (await ask('/metrics')).text()).toContain('bulkhead_database_up 1');
  });

  test('connections that the database ends cost 503 at worst, and are made anew', async () => {
    const slow = Array.from({ length: POOL }, () =>
      sql`select pg_sleep(30)`.execute(database.db).then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    await expect.poll(() => countSleeping()).toBe(POOL);
    await terminate();
    for (const error of await Promise.all(slow)) expect(isUnavailable(error)).toBe(true);
    const statuses: number[] = [];
    await expect
      .poll(async () => {
        const { status } = await ask('/api/assets');
        statuses.push(status);
        return status;
      })
      .toBe(200);
    expect(statuses.every((status) => status === 200 || status === 503)).toBe(true);
  });

  test('a connection that ends amid a transaction, between two queries, ends no process', async () => {
    const outcome = database.db
      .transaction()
      .execute(async (tx) => {
        const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
        await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(direct.db);
        await expect
          .poll(() => logger.lines.some(({ message }) => message === 'A database connection ended'))
          .toBe(true);
        await sql`select 1`.execute(tx);
      })
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(isUnavailable(await outcome)).toBe(true);
    expect((await ask('/api/assets')).status).toBe(200);
  });

  test('64: a pool whose connections are all taken answers 503 after its wait, never 500', async () => {
    const held = Array.from({ length: POOL }, () => sql`select pg_sleep(2)`.execute(database.db));
    await expect.poll(() => countSleeping()).toBe(POOL);
    await expectUnavailable(await ask('/api/assets'));
    await Promise.all(held);
    expect((await ask('/api/assets')).status).toBe(200);
  });
});

async function countSleeping(): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*)::int as count from pg_stat_activity
    where datname = current_database() and query like 'select pg_sleep%' and state = 'active'`.execute(
    direct.db,
  );
  return rows[0]?.count ?? 0;
}

describe('63: transactions that the database undoes because of one another', () => {
  test('a deadlock is tried again, and both come to pass', async () => {
    await sql`create table counters (id int primary key, n int not null)`.execute(direct.db);
    await sql`insert into counters values (1, 0), (2, 0)`.execute(direct.db);
    let attempts = 0;
    let waiting = 0;
    let meet: () => void = () => {};
    const met = new Promise<void>((resolve) => {
      meet = resolve;
    });
    const add = (first: number, second: number) =>
      changeAssets(direct.db, [`user-${first}`], async (tx) => {
        attempts++;
        await sql`update counters set n = n + 1 where id = ${first}`.execute(tx);
        if (++waiting === 2) meet();
        // Each holds the row that the other one wants.
        await met;
        await sql`update counters set n = n + 1 where id = ${second}`.execute(tx);
      });
    await Promise.all([add(1, 2), add(2, 1)]);
    const { rows } = await sql<{ n: number }>`select n from counters order by id`.execute(
      direct.db,
    );
    expect(rows.map(({ n }) => n)).toEqual([2, 2]);
    expect(attempts).toBe(3);
  });

  test('is given up after four times, and answered 503 then', async () => {
    const conflict = Object.assign(new Error('could not serialize access'), { code: '40001' });
    const work = vi.fn(async () => {
      throw conflict;
    });
    await expect(retryConflicts(work, { random: () => 0 })).rejects.toBe(conflict);
    expect(work).toHaveBeenCalledTimes(4);
    const { fromDatabase } = await import('../src/database/database-problem.ts');
    expect(fromDatabase(conflict)).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 });
  });

  test('nothing else is tried again, or taken for an outage', async () => {
    const unique = Object.assign(new Error('duplicate key'), { code: '23505' });
    const work = vi.fn(async () => {
      throw unique;
    });
    await expect(retryConflicts(work)).rejects.toBe(unique);
    expect(work).toHaveBeenCalledOnce();
    for (const error of [unique, new Error('boom'), 'ECONNREFUSED', undefined]) {
      expect([isUnavailable(error), isConflict(error)]).toEqual([false, false]);
    }
  });

  test.each(['ECONNREFUSED', '57P01', '57P03', '53300', '08006'])('%s is an outage', (code) => {
    expect(isUnavailable(Object.assign(new Error('x'), { code }))).toBe(true);
  });
});
