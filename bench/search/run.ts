/**
 * How fast the nearest vectors of one user are found: by the index in memory (databases without pgvector), by
 * pgvector, and by SQL on arrays, which both replaced. Vectors of 392 numbers, 50 results.
 *
 *     npm run bench:search -- [vectors, default 10000 100000]
 */
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { sql } from 'kysely';
import pg from 'pg';
import { findOrStartPostgres } from '../../scripts/services.mjs';
import { openEmbeddedDatabase } from '../../server/src/database/embedded-database.ts';
import type { OpenDatabase } from '../../server/src/database/open-database.ts';
import { openPostgresDatabase } from '../../server/src/database/postgres-database.ts';
import { toUnit } from '../../server/src/database/vectors.ts';
import { createArrayIndex } from '../../server/src/library/array-index.ts';
import { createPgvectorIndex } from '../../server/src/library/pgvector-index.ts';
import type { VectorIndex } from '../../server/src/library/vector-index.ts';
import { silentLogger } from '../../server/src/logging.ts';

const DIMENSIONS = 392;
const RESULTS = 50;
const REPEATS = 9;
const MODEL = 'bench';
/** Making an index on the embedded engine stops everything for so long that larger ones are left out. */
const MAX_HNSW_VECTORS = 10_000;

const counts = process.argv.slice(2).map(Number).filter(Boolean);

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; value: T }> {
  const startedMs = performance.now();
  const value = await work();
  return { ms: performance.now() - startedMs, value };
}

async function median(work: () => Promise<unknown>, repeats = REPEATS): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) times.push((await timed(work)).ms);
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;
}

/** Random directions, made by the database itself: the same cost to compare as any others. */
async function fill({ db, vectors }: OpenDatabase, userId: string, count: number): Promise<void> {
  await sql`
    with made as (
      insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words, processed, embedded)
      select gen_random_uuid(), ${userId}, 'k', 'a.jpg', 'image/jpeg', 1, gen_random_uuid()::text, 'a', true, true
      from generate_series(1, ${count}) returning id
    )
    insert into embeddings (asset_id, user_id, model, vector)
    select id, ${userId}, ${MODEL}, (
      select ${sql.raw(vectors.kind === 'array' ? 'array_agg(x / length)' : 'array_agg(x / length)::vector')}
      from (
        select x, sqrt(sum(x * x) over ())::real as length
        from (select (random() - 0.5)::real as x from generate_series(1, ${DIMENSIONS}) where id is not null) n
      ) scaled
    ) from made`.execute(db);
  await sql`analyze embeddings`.execute(db);
}

const target = () => toUnit(Float32Array.from({ length: DIMENSIONS }, () => Math.random() - 0.5));

async function measure(name: string, database: OpenDatabase, count: number): Promise<void> {
  const userId = randomUUID();
  const { db, vectors } = database;
  await fill(database, userId, count);
  const rows: [string, number][] = [];
  const search = (index: VectorIndex) => () =>
    index.nearest({ userId, model: MODEL, vector: target(), limit: RESULTS });

  const inMemory = createArrayIndex(db, 1e9);
  rows.push(['in memory, first search (reads all)', (await timed(search(inMemory))).ms]);
  rows.push(['in memory, next searches', await median(search(inMemory))]);
  if (vectors.kind === 'pgvector') {
    const exact = createPgvectorIndex(db, silentLogger, Number.POSITIVE_INFINITY);
    rows.push(['pgvector, exact', await median(search(exact))]);
    if (database.engine.kind === 'postgres' || count <= MAX_HNSW_VECTORS) {
      const approximate = createPgvectorIndex(db, silentLogger, 1);
      await search(approximate)();
      rows.push(['pgvector, HNSW is made', (await timed(() => approximate.close())).ms]);
      rows.push(['pgvector, HNSW', await median(search(approximate))]);
    }
  } else {
    for (const [what, fn] of [
      ['SQL, unnest', SQL_UNNEST],
      ['SQL, PL/pgSQL loop', SQL_LOOP],
    ] as const) {
      await sql.raw(fn).execute(db);
      const bySql = () =>
        sql`select asset_id from embeddings where user_id = ${userId} and model = ${MODEL}
          order by bench_distance(vector, ${`{${target().join(',')}}`}::real[]) limit ${RESULTS}`.execute(
          db,
        );
      rows.push([what, await median(bySql, 3)]);
    }
  }
  console.log(`\n${name}, ${count.toLocaleString('en')} vectors`);
  for (const [what, ms] of rows)
    console.log(`  ${what.padEnd(38)} ${ms.toFixed(1).padStart(9)} ms`);
}

const SQL_UNNEST = `create or replace function bench_distance(a real[], b real[]) returns float8
  language sql immutable strict parallel safe as $$
    select 1 - sum(x::float8 * y) / nullif(sqrt(sum(x::float8 * x) * sum(y::float8 * y)), 0)
    from unnest(a, b) as pair (x, y) $$`;
const SQL_LOOP = `create or replace function bench_distance(a real[], b real[]) returns float8
  language plpgsql immutable strict parallel safe as $$
    declare total float8 := 0;
    begin
      for i in 1 .. array_length(a, 1) loop total := total - a[i] * b[i]; end loop;
      return total;
    end $$`;

async function onPostgres(count: number): Promise<void> {
  const postgres = await findOrStartPostgres();
  const admin = new pg.Client({ connectionString: postgres.url });
  await admin.connect();
  const name = `bulkhead_bench_${randomUUID().slice(0, 8)}`;
  await admin.query(`create database ${name}`);
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  const database = await openPostgresDatabase({ url: url.href, logger: silentLogger });
  try {
    await measure(`PostgreSQL (${database.vectors.kind})`, database, count);
  } finally {
    await database.close();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
    await postgres.stop();
  }
}

async function onEmbedded(count: number): Promise<void> {
  const database = await openEmbeddedDatabase('memory');
  try {
    await measure(`Embedded (${database.vectors.kind})`, database, count);
  } finally {
    await database.close();
  }
}

for (const count of counts.length > 0 ? counts : [10_000, 100_000]) {
  await onPostgres(count);
  await onEmbedded(count);
}
