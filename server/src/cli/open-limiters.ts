import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import { burstOf, createProviderLimiter } from '../embeddings/provider-lane.ts';
import type { Logger } from '../logging.ts';
import { createPostgresTokenBucket } from '../rate-limit/postgres-token-bucket.ts';
import type { RateLimiter } from '../rate-limit/rate-limiter.ts';
import { createServerPressure } from '../rate-limit/server-pressure.ts';
import { optionalPart } from './optional-part.ts';
import { pingRedis } from './ping-redis.ts';

export interface LimitersParts {
  readonly database: OpenDatabase;
  readonly redisUrl: string | undefined;
  readonly embedder: Embedder;
  readonly limits: { readonly rateLimitCapacity: number; readonly rateLimitPerMinute: number };
  /** Default: measured. */
  readonly pressure: (() => number) | undefined;
  readonly logger: Logger;
  /** Default: of Redis or the database, so that processes agree. */
  readonly clock: Clock | undefined;
}

export interface OpenLimiters {
  /** Undefined: the server's own default, in the database or in memory. */
  readonly rateLimiter: RateLimiter | undefined;
  /** Keeps the pace of the embedder's provider, over all processes that can share it. */
  readonly providerLimiter: RateLimiter | undefined;
  /** Asks Redis, where there is one. */
  readonly ping: (() => Promise<void>) | undefined;
  close(): Promise<void>;
}

/** Limits that several processes share: in Redis where there is one, else in the database. */
export async function openLimiters(parts: LimitersParts): Promise<OpenLimiters> {
  const { database, redisUrl, embedder, limits, logger, clock } = parts;
  const { pace } = embedder;
  if (redisUrl === undefined) {
    return {
      rateLimiter: undefined,
      providerLimiter: pace && sharedPace(parts, pace),
      ping: undefined,
      close: async () => {},
    };
  }
  const { createRedisTokenBucket } = await import('../redis.ts');
  const { Redis } = await optionalPart(['ioredis'], 'REDIS_URL is set', () => import('ioredis'));
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 1, enableOfflineQueue: false });
  // Of connections that come and go; the limiter says when it goes on without.
  redis.on('error', (error) => logger.debug({ err: error }, 'Redis cannot be reached'));
  const measured = parts.pressure ? undefined : createServerPressure({ database });
  const pressure = parts.pressure ?? (() => measured?.read() ?? 0);
  return {
    rateLimiter: createRedisTokenBucket({
      redis,
      logger,
      clock,
      capacity: limits.rateLimitCapacity,
      refillPerMinute: limits.rateLimitPerMinute,
      adaptive: { pressure },
    }),
    providerLimiter:
      pace &&
      createRedisTokenBucket({
        redis,
        logger,
        clock,
        capacity: burstOf(pace),
        refillPerMinute: pace.requestsPerMinute,
        keyPrefix: 'bulkhead:provider:',
      }),
    ping: () => pingRedis(redis),
    async close() {
      measured?.close();
      redis.disconnect();
    },
  };
}

function sharedPace(
  { database, logger, clock }: LimitersParts,
  pace: NonNullable<Embedder['pace']>,
): RateLimiter {
  if (database.engine.kind === 'pglite') return createProviderLimiter(pace);
  return createPostgresTokenBucket({
    database,
    logger,
    clock,
    capacity: burstOf(pace),
    refillPerMinute: pace.requestsPerMinute,
  });
}
