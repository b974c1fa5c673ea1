import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import type { Logger } from '../logging.ts';
import { createMemoryTokenBucket } from './memory-token-bucket.ts';
import { createPostgresTokenBucket } from './postgres-token-bucket.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { createServerPressure } from './server-pressure.ts';

export interface DefaultLimiterParts {
  database: OpenDatabase;
  limits: { rateLimitCapacity: number; rateLimitPerMinute: number };
  pressure?: (() => number) | undefined;
  clock?: Clock | undefined;
  logger: Logger;
}

/**
 * What limits requests when no limiter was given: buckets in memory where the database is this process's own,
 * in the database where other processes may share it. Refills shrink under load.
 */
export function createDefaultLimiter(parts: DefaultLimiterParts): {
  rateLimiter: RateLimiter;
  close(): void;
} {
  const { database, limits, clock, logger } = parts;
  const measured = parts.pressure ? undefined : createServerPressure({ database });
  const pressure = parts.pressure ?? (() => measured?.read() ?? 0);
  const options = {
    capacity: limits.rateLimitCapacity,
    refillPerMinute: limits.rateLimitPerMinute,
    adaptive: { pressure },
    clock,
    logger,
  };
  return {
    rateLimiter:
      database.engine.kind === 'postgres'
        ? createPostgresTokenBucket({ database, ...options })
        : createMemoryTokenBucket(options),
    close: () => measured?.close(),
  };
}
