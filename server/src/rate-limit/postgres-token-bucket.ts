import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import { TOKEN_EPSILON } from './bucket.ts';
import type { BucketState } from './bucket-limiter.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { createSharedLimiter, type SharedLimiterOptions } from './shared-limiter.ts';

export interface PostgresTokenBucketOptions extends SharedLimiterOptions {
  database: Pick<OpenDatabase, 'db'>;
  /** Default: the database's own clock, so that processes whose clocks differ agree. For tests. */
  clock?: Clock | undefined;
}

/** Token buckets in the database, for several processes: one statement a request, exact in races. */
export function createPostgresTokenBucket(
  options: PostgresTokenBucketOptions,
): Required<RateLimiter> {
  const { database, clock } = options;
  const { db } = database;
  // Read where the row is locked already: a time from before the wait for it would run backwards.
  const nowMs = () =>
    clock
      ? sql<number>`${clock()}::float8`
      : sql<number>`extract(epoch from clock_timestamp())::float8 * 1000`;

  const state: BucketState = {
    async take(userId, { tokens, capacity, refillPerMs }) {
      const wanted = sql`${tokens}::float8`;
      const full = sql`${capacity}::float8`;
      const { rows } = await sql<{ tokens: number; is_allowed: boolean }>`
        insert into rate_limit_buckets as bucket (user_id, tokens, is_allowed, updated_at_ms)
        values (${userId}, ${full} - ${wanted}, true, ${nowMs()})
        on conflict (user_id) do update set (tokens, is_allowed, updated_at_ms) = (
          select
            case when is_enough then greatest(0, saved - ${wanted}) else saved end,
            is_enough,
            now_ms
          from (select ${nowMs()} as now_ms) as clock,
          lateral (
            select least(
              ${full},
              bucket.tokens + greatest(0, now_ms - bucket.updated_at_ms) * ${refillPerMs}::float8
            ) as saved
          ) as refilled,
          lateral (
            select saved >= ${wanted} - ${sql.lit(TOKEN_EPSILON)}::float8 as is_enough
          ) as decided
        )
        returning tokens, is_allowed`.execute(db);
      const [row] = rows;
      if (!row) throw new Error('The rate limit statement returned no row');
      return { isAllowed: row.is_allowed, tokens: row.tokens };
    },
    async sweep(forgetAfterMs) {
      await sql`delete from rate_limit_buckets
        where updated_at_ms < ${nowMs()} - ${forgetAfterMs}::float8`.execute(db);
    },
  };
  return createSharedLimiter(
    state,
    { stateName: 'The database', defaultTimeoutMs: 15_000 },
    options,
  );
}
