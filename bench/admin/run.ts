/**
 * What the operator's page and slices of work cost: `npm run bench:admin [-- --assets 1000000]`, on a
 * database of its own in a PostgreSQL that is found or started.
 */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import pg from 'pg';
import { findOrStartPostgres } from '../../scripts/services.mjs';
import { createStatusReader } from '../../server/src/admin/status.ts';
import type { OpenDatabase } from '../../server/src/database/open-database.ts';
import { openPostgresDatabase } from '../../server/src/database/postgres-database.ts';
import { createJobOutbox } from '../../server/src/jobs/job-outbox.ts';
import { runJobSlice } from '../../server/src/jobs/job-slice.ts';
import { createPgBossQueue } from '../../server/src/jobs/pg-boss-queue.ts';
import { createDeadLetters } from '../../server/src/library/dead-letters.ts';
import { silentLogger } from '../../server/src/logging.ts';

const { values } = parseArgs({
  options: {
    assets: { type: 'string', default: '1000000' },
    jobs: { type: 'string', default: '2000' },
  },
});
const ASSETS = Number(values.assets);
const JOBS = Number(values.jobs);
const RUNS = 20;

const postgres = await findOrStartPostgres();
const name = `bulkhead_bench_${process.pid}`;
await administer(`create database ${name}`);
try {
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const database = await openPostgresDatabase({ url: url.href, logger: silentLogger });
  try {
    await measureStatus(database);
    await measureSlices(database);
  } finally {
    await database.close();
  }
} finally {
  await administer(`drop database if exists ${name} with (force)`);
  await postgres.stop();
}

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

/** 1,000 users; one asset in 50 failed, one in 100 waits; user-0 has all causes. */
async function measureStatus(database: OpenDatabase): Promise<void> {
  const { db } = database;
  const queue = createPgBossQueue({ database, logger: silentLogger });
  await queue.start();
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
      processed, embedded, failed, processing_error, created_at, updated_at)
    select gen_random_uuid(), 'user-' || n % 1000, 'k', 'a.jpg', 'image/jpeg', 1,
      encode(sha256(n::text::bytea), 'hex'), 'a', n % 50 > 0 and n % 100 <> 1,
      n % 50 > 0 and n % 100 <> 1, n % 50 = 0,
      case when n % 50 = 0 then jsonb_build_object('code',
        (array['undecodable', 'max_retries_exceeded', 'missing_blob'])[1 + n / 50 % 3],
        'detail', 'as seeded') end,
      now() - n * interval '1 second', now() - n * interval '1 second'
    from generate_series(1, ${ASSETS}::int) as n`.execute(db);
  await sql`vacuum (analyze) assets`.execute(db);
  const changes = { changed() {} };
  const view = { asset: async (row: unknown) => row } as never;
  const deadLetters = createDeadLetters({ db, queue, view, changes });
  let nowMs = 0;
  const clock = () => {
    nowMs += 10_000;
    return nowMs;
  };
  const status = createStatusReader({ db, queue, deadLetters, clock });
  report(`status over ${ASSETS} assets`, await time(() => status.read()));
  report('causes of one user', await time(() => deadLetters.causes('user-0')));
  report('a page of 100 of one user', await time(() => deadLetters.page('user-0', { limit: 100 })));
  const startedMs = performance.now();
  const { redriven } = await deadLetters.redrive(undefined, { stage: 'process', limit: 10_000 });
  console.log(`redrive of ${redriven} assets: ${Math.round(performance.now() - startedMs)} ms`);
  await queue.stop(0);
  await sql`delete from pgboss.job`.execute(db);
}

/** Jobs whose handler does nothing but settle: what is left is the claim. */
async function measureSlices(database: OpenDatabase): Promise<void> {
  const { db } = database;
  const queue = createPgBossQueue({ database, logger: silentLogger });
  await queue.start();
  const jobs = Array.from({ length: JOBS }, () => ({ assetId: randomUUID() }));
  const outbox = createJobOutbox(db, 30);
  await db.transaction().execute(async (tx) => {
    await queue.enqueue(tx, 'process', jobs);
    await outbox.insert(tx, 'process', jobs, {});
  });
  const bounds = { maxJobs: JOBS, deadlineMs: 600_000, concurrency: 2, handler: async () => {} };
  for (const [engine, drain] of [
    ['pg-boss', () => queue.drain('process', bounds)],
    [
      'outbox',
      () =>
        runJobSlice({
          ...bounds,
          name: 'process',
          source: outbox.source('process'),
          logger: silentLogger,
          heartbeatMs: 10_000,
        }),
    ],
  ] as const) {
    const startedMs = performance.now();
    const taken = await drain();
    const ms = performance.now() - startedMs;
    console.log(`slice of ${taken} empty jobs by ${engine}: ${(ms / taken).toFixed(2)} ms a job`);
  }
  await queue.stop(0);
}

async function time(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const startedMs = performance.now();
    await work();
    times.push(performance.now() - startedMs);
  }
  return times.sort((a, b) => a - b);
}

function report(what: string, times: readonly number[]): void {
  const at = (share: number) => Math.round(times[Math.floor((times.length - 1) * share)] ?? 0);
  console.log(`${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms of ${times.length}`);
}
