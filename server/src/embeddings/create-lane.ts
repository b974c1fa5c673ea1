import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Logger } from '../logging.ts';
import type { RateLimiter } from '../rate-limit/rate-limiter.ts';
import { createDailyBudget } from './daily-budget.ts';
import type { Embedder } from './embedder.ts';
import { createProviderLane, type ProviderLane } from './provider-lane.ts';

/** The lane of one embedder in this process, as its `pace` says. */
export function createLane(
  { pace }: Embedder,
  parts: {
    db: Database;
    clock: Clock;
    logger: Logger;
    random?: () => number;
    providerLimiter?: RateLimiter | undefined;
  },
): ProviderLane {
  const { db, clock, logger, random = Math.random, providerLimiter } = parts;
  const budget =
    pace?.dailyRequests === undefined
      ? undefined
      : createDailyBudget(db, pace.provider, pace.dailyRequests);
  return createProviderLane({ pace, rateLimiter: providerLimiter, budget, clock, random, logger });
}
