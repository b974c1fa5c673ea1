import { createHash } from 'node:crypto';
import { type RawBuilder, sql } from 'kysely';
import type { Database, Tx } from '../database/schema.ts';
import type { Logger } from '../logging.ts';
import type { NearestQuery, Neighbour, VectorIndex } from './vector-index.ts';

/** How long a user's number of vectors is believed: it decides only about speed. */
const COUNT_AGE_MS = 60_000;
const MAX_COUNTS = 10_000;
/** After one failed. */
const BUILD_AGAIN_MS = 10 * 60_000;
/** pgvector's own limit for an index on `vector`. */
const MAX_INDEXED_DIMENSIONS = 2000;
/** pgvector's own bounds of `hnsw.ef_search`; it looks at twice what is asked, for a better answer. */
const MIN_EF_SEARCH = 100;
const MAX_EF_SEARCH = 1000;

/**
 * Search by pgvector. One user's vectors are compared exactly, by way of a plain index on user and model,
 * until they are more than `approximateFrom`. Then an HNSW index over all vectors of the model is used:
 * partial, because other models have other lengths, and read on until enough rows of this user were found
 * (`hnsw.iterative_scan`), so that nobody else's take the places. Whatever it leaves short is searched
 * exactly.
 */
export function createPgvectorIndex(
  db: Database,
  logger: Logger,
  approximateFrom: number,
): VectorIndex {
  const counts = new Map<string, { atMs: number; isMany: boolean }>();
  /** By index name. */
  const builds = new Map<string, Build>();

  const hasMany = async (userId: string, model: string): Promise<boolean> => {
    if (!Number.isFinite(approximateFrom)) return false;
    const key = JSON.stringify([userId, model]);
    const nowMs = performance.now();
    const known = counts.get(key);
    if (known && nowMs - known.atMs < COUNT_AGE_MS) return known.isMany;
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from (
        select 1 from embeddings where user_id = ${userId} and model = ${model}
        limit ${approximateFrom + 1}
      ) as counted`.execute(db);
    const isMany = (rows[0]?.count ?? 0) > approximateFrom;
    if (counts.size >= MAX_COUNTS) counts.clear();
    counts.set(key, { atMs: nowMs, isMany });
    return isMany;
  };

  const buildOf = (model: string, dimensions: number): Build => {
    const name = indexName(model, dimensions);
    const known = builds.get(name);
    if (known && !(known.failedAtMs && performance.now() - known.failedAtMs > BUILD_AGAIN_MS)) {
      return known;
    }
    const build: Build = { isReady: false, failedAtMs: undefined, done: Promise.resolve() };
    build.done = ensureHnsw(db, name, model, dimensions, logger).then(
      (isReady) => {
        build.isReady = isReady;
        // Another process makes it: to be looked at again.
        if (!isReady) build.failedAtMs = performance.now();
      },
      (error: unknown) => {
        build.failedAtMs = performance.now();
        logger.error({ err: error, model }, '[Search] the index cannot be made; exact until then');
      },
    );
    builds.set(name, build);
    return build;
  };

  return {
    async nearest(query) {
      const { userId, model, vector, limit } = query;
      const canIndex = vector.length <= MAX_INDEXED_DIMENSIONS;
      if (!canIndex || !(await hasMany(userId, model))) return exact(db, query);
      if (!buildOf(model, vector.length).isReady) return exact(db, query);
      const found = await approximate(db, query);
      return found.length < Math.min(limit, approximateFrom) ? exact(db, query) : found;
    },
    forget() {},
    async close() {
      await Promise.all([...builds.values()].map((build) => build.done));
    },
  };
}

interface Build {
  isReady: boolean;
  failedAtMs: number | undefined;
  done: Promise<void>;
}

const textOf = (vector: Float32Array) => `[${vector.join(',')}]`;

/** The plain column: no HNSW index fits this expression, so the user's own rows are compared. */
async function exact(
  db: Database,
  { userId, model, vector, limit }: NearestQuery,
): Promise<Neighbour[]> {
  const distance = sql<number>`vector <#> ${textOf(vector)}::vector`;
  return read(db, distance, userId, sql`${model}`, limit);
}

async function approximate(
  db: Database,
  { userId, model, vector, limit }: NearestQuery,
): Promise<Neighbour[]> {
  const width = sql.raw(String(vector.length));
  const distance = sql<number>`(vector::vector(${width})) <#> ${textOf(vector)}::vector(${width})`;
  const efSearch = Math.min(MAX_EF_SEARCH, Math.max(MIN_EF_SEARCH, limit * 2));
  return db.transaction().execute(async (tx) => {
    await sql`set local hnsw.iterative_scan = strict_order`.execute(tx);
    await sql.raw(`set local hnsw.ef_search = ${efSearch}`).execute(tx);
    // The count has decided; the planner, by estimates, might rather sort all of the user's rows.
    await sql`set local enable_sort = off`.execute(tx);
    // A literal: a parameter would not tell the planner that the partial index holds it.
    return read(tx, distance, userId, sql.lit(model), limit);
  });
}

async function read(
  db: Database | Tx,
  distance: RawBuilder<number>,
  userId: string,
  model: RawBuilder<unknown>,
  limit: number,
): Promise<Neighbour[]> {
  const { rows } = await sql<{ asset_id: string; distance: number }>`
    select asset_id, ${distance} as distance from embeddings
    where user_id = ${userId} and model = ${model}
    order by ${distance} limit ${limit}`.execute(db);
  // The negative inner product of two vectors of length 1.
  return rows.map((row) => ({ assetId: row.asset_id, score: -row.distance }));
}

/** A name of its own for each model and length, within PostgreSQL's 63 bytes. */
export function indexName(model: string, dimensions: number): string {
  const digest = createHash('sha256').update(model).digest('hex').slice(0, 16);
  return `embeddings_hnsw_${digest}_${dimensions}`;
}

/**
 * Makes the index unless it is there, without blocking writes. One process at a time does.
 * @returns whether it is there; false while another process makes it, or where pgvector is older than 0.8
 */
async function ensureHnsw(
  db: Database,
  name: string,
  model: string,
  dimensions: number,
  logger: Logger,
): Promise<boolean> {
  const state = await stateOf(db, name);
  if (state === 'valid') return true;
  if (!(await hasIterativeScan(db))) {
    logger.warn({ model }, '[Search] pgvector is older than 0.8: searches stay exact');
    return false;
  }
  // A session's lock, not a transaction's: an index cannot be made concurrently inside of one.
  return db.connection().execute(async (connection) => {
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_lock(hashtextextended(${name}, 0)) as locked`.execute(connection);
    if (!rows[0]?.locked) return false;
    try {
      // What a process that died left behind is no index.
      if ((await stateOf(connection, name)) === 'invalid') {
        await sql`drop index concurrently if exists ${sql.id(name)}`.execute(connection);
      }
      const startedMs = performance.now();
      await sql`create index concurrently if not exists ${sql.id(name)} on embeddings
        using hnsw ((vector::vector(${sql.raw(String(dimensions))})) vector_ip_ops)
        where model = ${sql.lit(model)}`.execute(connection);
      const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
      logger.info({ model, index: name, seconds }, `[Search] made an index in ${seconds} s`);
      return true;
    } finally {
      await sql`select pg_advisory_unlock(hashtextextended(${name}, 0))`.execute(connection);
    }
  });
}

async function stateOf(db: Database, name: string): Promise<'valid' | 'invalid' | 'absent'> {
  const { rows } = await sql<{ valid: boolean }>`
    select indisvalid as valid from pg_index where indexrelid = to_regclass(${name})`.execute(db);
  if (!rows[0]) return 'absent';
  return rows[0].valid ? 'valid' : 'invalid';
}

async function hasIterativeScan(db: Database): Promise<boolean> {
  const { rows } = await sql<{ version: string }>`
    select extversion as version from pg_extension where extname = 'vector'`.execute(db);
  const [major = 0, minor = 0] = (rows[0]?.version ?? '').split('.').map(Number);
  return major > 0 || minor >= 8;
}
