import type { Logger } from '../logging.ts';
import { resultOf, type Take, type Taken } from './bucket.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { MIN_REFILL_FACTOR, refillFactor } from './refill-factor.ts';

const IDLE_MS = 60 * 60 * 1000;

export interface TokenBucketOptions {
  /** The most tokens a user can save up, and what a new user starts with. Default 100. */
  capacity?: number | undefined;
  /** Default 10. */
  refillPerMinute?: number | undefined;
  /**
   * Refills shrink while the server is under load, down to a tenth, and are back when the load is gone:
   * see `refillFactor`. Default: they do not.
   */
  adaptive?: { pressure: () => number } | undefined;
  logger?: Logger | undefined;
}

/** Where buckets are kept. */
export interface BucketState {
  /**
   * Refills and takes in one step, exact under concurrency. A bucket that was not used for
   * `forgetAfterMs` may be forgotten.
   */
  take(userId: string, take: Take, forgetAfterMs: number): Promise<Taken>;
  /** Forgets idle buckets, where that does not happen by itself. */
  sweep?(forgetAfterMs: number): Promise<void>;
}

/**
 * Token buckets on any state.
 *
 * A bucket idle for an hour is forgotten, which is when it is full anyway with the defaults; with a slower
 * refill only after it has filled up.
 */
export function createBucketLimiter(
  state: BucketState,
  options: TokenBucketOptions = {},
): Required<RateLimiter> {
  const { capacity = 100, refillPerMinute = 10, adaptive, logger } = options;
  if (!(capacity > 0) || !(refillPerMinute > 0)) {
    throw new RangeError('capacity and refillPerMinute must be above 0');
  }
  const fullRefillPerMs = refillPerMinute / 60_000;
  const slowestRefillPerMs = fullRefillPerMs * (adaptive ? MIN_REFILL_FACTOR : 1);
  const forgetAfterMs = Math.max(IDLE_MS, Math.ceil(capacity / slowestRefillPerMs));

  return {
    async consume(userId, tokens = 1) {
      if (!(tokens > 0) || tokens > capacity) {
        throw new RangeError(`tokens must be above 0 and at most ${capacity}, not ${tokens}`);
      }
      const factor = adaptive ? refillFactor(adaptive.pressure()) : 1;
      const take = { tokens, capacity, refillPerMs: fullRefillPerMs * factor };
      const result = resultOf(await state.take(userId, take, forgetAfterMs), take);
      if (!result.allowed) logger?.warn({ userId }, `[RateLimit] User ${userId} exceeded limit`);
      return result;
    },
    async sweep() {
      await state.sweep?.(forgetAfterMs);
    },
  };
}
