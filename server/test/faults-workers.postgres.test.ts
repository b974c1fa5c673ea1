import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, inject, it, type TestContext, vi } from 'vitest';
import type { Database } from '../src/database/schema.ts';
import { finalizeUpload } from './fixtures/assets.ts';
import { createPostgresDatabase } from './fixtures/databases.ts';
import { photo } from './fixtures/images.ts';
import { openPostgresBench } from './fixtures/postgres-bench.ts';
import { startTcpProxy } from './fixtures/tcp-proxy.ts';
import { spawnWorker } from './fixtures/worker-child.ts';

vi.setConfig({ testTimeout: 120_000 });

const IMAGES = 16;
/** A database, a folder of objects and a server's own workers, for one test. */
async function setUp({ onTestFinished }: TestContext) {
  const { url, drop } = await createPostgresDatabase();
  onTestFinished(drop);
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-faults-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const bench = await openPostgresBench(url, dir);
  onTestFinished(() => bench.close());

  const spawnOne = (databaseUrl: string, fate?: Parameters<typeof spawnWorker>[2]) => {
    const child = spawnWorker(databaseUrl, dir, fate);
    onTestFinished(async () => {
      if (child.process.exitCode === null) child.process.kill('SIGKILL');
      await child.ended();
    });
    return child;
  };

  async function upload(count = IMAGES): Promise<void> {
    for (let seed = 1; seed <= count; seed++) {
      await finalizeUpload(bench, await photo(seed, 200, 150).jpeg().toBuffer());
    }
  }

  const untilDone = (timeoutMs: number) =>
    vi.waitFor(
      async () => {
        const depths = [await bench.queue.depth('process'), await bench.queue.depth('embed')];
        expect(depths).toEqual([0, 0]);
      },
      { timeout: timeoutMs, interval: 100 },
    );

  /** Each image once, whole, with one embedding and one job of each stage. */
  async function expectEachOnce(count = IMAGES): Promise<void> {
    const assets = await bench.db.selectFrom('assets').selectAll().execute();
    expect(assets).toHaveLength(count);
    for (const asset of assets) {
      expect(asset).toMatchObject({ processed: true, embedded: true, failed: false });
      expect(asset).toMatchObject({ processing_error: null, processing_retry_count: 0 });
      for (const key of [asset.image_key, asset.thumbnail_key]) {
        expect((await bench.blobs.head(key ?? ''))?.sizeBytes).toBeGreaterThan(0);
      }
    }
    expect(await jobsPerAsset(bench.db)).toEqual([
      { name: 'embed', jobs: count, assets: count },
      { name: 'process', jobs: count, assets: count },
    ]);
    expect(await bench.db.selectFrom('embeddings').select('asset_id').execute()).toHaveLength(
      count,
    );
  }

  return { url, dir, bench, spawnOne, upload, untilDone, expectEachOnce };
}

// They wait for leases, and for a database that is away, more than they work.
describe.concurrent('worker processes on one PostgreSQL database', () => {
  it('61: takes over what a process held that was killed, within a minute, and repeats nothing', async (context) => {
    const { url, bench, spawnOne, upload, untilDone, expectEachOnce } = await setUp(context);
    await upload();
    const victim = spawnOne(url, { signal: 'SIGKILL', atWrite: 2 * IMAGES - 7 });
    expect(await victim.ended()).toBe('SIGKILL');
    const before = await bench.db
      .selectFrom('assets')
      .select(['id', 'processed', 'version'])
      .execute();
    const done = before.filter(({ processed }) => processed);
    expect(done.length).toBeGreaterThan(0);
    expect(done.length).toBeLessThan(IMAGES);

    const killedAtMs = performance.now();
    const heir = spawnOne(url);
    await untilDone(60_000);
    // The lease is 10 s.
    expect(performance.now() - killedAtMs).toBeLessThan(30_000);
    await expectEachOnce();
    expect(await heir.stop()).toBe(0);
  });

  it('62: refuses what a process commits that was stopped beyond its lease', async (context) => {
    const { url, dir, bench, spawnOne, upload, untilDone, expectEachOnce } = await setUp(context);
    await upload();
    // A stopped process answers nothing, not even a lock that it holds: the write is before that.
    const late = spawnOne(url, { signal: 'SIGSTOP', atWrite: 5 });
    await vi.waitFor(async () => expect(await late.state()).toBe('T'), 20_000);
    await bench.workers.start();
    await untilDone(40_000);
    await expectEachOnce();
    const versions = await versionsOf(bench.db);
    const objects = await digests(join(dir, 'blobs', 'u'));

    late.process.kill('SIGCONT');
    await vi.waitFor(
      () => {
        const lost = late.lines.filter(({ message }) => message.includes('lease lost'));
        expect(lost.length).toBeGreaterThan(0);
      },
      { timeout: 15_000 },
    );
    expect(await late.stop()).toBe(0);
    expect(await versionsOf(bench.db)).toEqual(versions);
    expect(await digests(join(dir, 'blobs', 'u'))).toEqual(objects);
    await expectEachOnce();
  });

  it('63: goes on after all its connections were ended, and after a database that was away until every wait was at its longest', async (context) => {
    const { url, bench, spawnOne, upload, untilDone, expectEachOnce } = await setUp(context);
    const { hostname, port } = new URL(url);
    const proxy = await startTcpProxy({ host: hostname, port: Number(port || 5432) });
    try {
      const through = new URL(url);
      through.host = `127.0.0.1:${proxy.port}`;
      await upload(40);
      const worker = spawnOne(through.href);
      const processed = async () => {
        const rows = await bench.db
          .selectFrom('assets')
          .select('id')
          .where('processed', '=', true)
          .execute();
        return rows.length;
      };
      const until = (count: number) =>
        vi.waitFor(async () => expect(await processed()).toBeGreaterThanOrEqual(count), {
          timeout: 30_000,
          interval: 20,
        });
      await until(3);
      const mine = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(bench.db);
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> ${mine.rows[0]?.pid}`.execute(bench.db);
      await until(10);
      proxy.cut();
      const atCut = await processed();
      // From then on it looks every 10 s, however long: 0.5 s, 1 s, 2 s, 4 s, 8 s, 10 s, of both stages.
      const looks = () =>
        worker.lines.filter(({ message }) => message === '[Jobs] cannot fetch jobs').length;
      await vi.waitFor(() => expect(looks()).toBeGreaterThanOrEqual(12), {
        timeout: 40_000,
        interval: 100,
      });
      expect(await processed()).toBeLessThan(40);
      expect(await processed()).toBeLessThanOrEqual(atCut + 1);
      expect(worker.process.exitCode).toBeNull();
      proxy.restore();
      await untilDone(60_000);
      await expectEachOnce(40);
      expect(worker.process.exitCode).toBeNull();
      expect(worker.lines.map(({ message }) => message)).toContain('[Jobs] cannot fetch jobs');
      expect(await worker.stop()).toBe(0);
      expect(worker.stderr()).toBe('');
    } finally {
      await proxy.close();
    }
  });

  it('says what is wrong and ends when no database can be reached at its start', async (context) => {
    const { spawnOne } = await setUp(context);
    const away = new URL(inject('postgresUrl'));
    away.port = '1';
    away.password = 'sesame';
    const worker = spawnOne(away.href);
    expect(await worker.ended()).toBe(1);
    expect(worker.stderr()).toMatch(
      /DatabaseError: The database cannot be reached: .*DATABASE_URL/,
    );
    expect(worker.stderr()).not.toContain('sesame');
  });
});

async function jobsPerAsset(db: Database) {
  const { rows } = await sql`select name, count(*)::int as jobs,
      count(distinct singleton_key)::int as assets
    from pgboss.job group by name order by name`.execute(db);
  return rows;
}

function versionsOf(db: Database) {
  return db.selectFrom('assets').select(['id', 'version']).orderBy('id').execute();
}

/** Of every file under a folder. */
async function digests(dir: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[path] = createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  }
  return found;
}
