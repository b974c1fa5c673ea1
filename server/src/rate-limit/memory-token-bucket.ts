import type { Clock } from '../clock.ts';
import { type Bucket, takeTokens } from './bucket.ts';
import {
  type BucketState,
  createBucketLimiter,
  type TokenBucketOptions,
} from './bucket-limiter.ts';
import type { RateLimiter } from './rate-limiter.ts';

export interface MemoryTokenBucketOptions extends TokenBucketOptions {
  /** Default `Date.now`. */
  clock?: Clock | undefined;
}

/**
 * Token buckets in the memory of one process. Exact under concurrency: reading and taking happen in one
 * synchronous step.
 */
export function createMemoryTokenBucket(
  options: MemoryTokenBucketOptions = {},
): Required<RateLimiter> & {
  /** Users with a bucket. */
  readonly size: number;
} {
  const { clock = Date.now } = options;
  // In order of last use: the idle ones are at the front.
  const buckets = new Map<string, Bucket>();

  const forgetIdle = (nowMs: number, forgetAfterMs: number) => {
    for (const [userId, bucket] of buckets) {
      if (nowMs - bucket.updatedAtMs < forgetAfterMs) break;
      buckets.delete(userId);
    }
  };
  const state: BucketState = {
    async take(userId, take, forgetAfterMs) {
      const nowMs = clock();
      forgetIdle(nowMs, forgetAfterMs);
      const taken = takeTokens(buckets.get(userId), take, nowMs);
      buckets.delete(userId);
      buckets.set(userId, { tokens: taken.tokens, updatedAtMs: nowMs });
      return taken;
    },
    async sweep(forgetAfterMs) {
      forgetIdle(clock(), forgetAfterMs);
    },
  };
  const limiter = createBucketLimiter(state, options);
  return {
    ...limiter,
    get size() {
      return buckets.size;
    },
  };
}
