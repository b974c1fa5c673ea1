import type { Clock } from '../clock.ts';
import type { Logger } from '../logging.ts';

const IDLE_MS = 60 * 60 * 1000;

export interface RateLimitResult {
  allowed: boolean;
  /** Whole seconds until the tokens will be there: at least 1 when refused, 0 when allowed. */
  retryAfter: number;
  /** Whole tokens left. */
  remaining: number;
}

/** Limits each user by themselves. */
export interface RateLimiter {
  /** Takes `tokens` (default 1) if they are there; takes nothing when refused. */
  consume(userId: string, tokens?: number): Promise<RateLimitResult>;
}

export interface TokenBucketOptions {
  /** The most tokens a user can save up, and what a new user starts with. Default 100. */
  capacity?: number;
  /** Default 10. */
  refillPerMinute?: number;
  clock?: Clock;
  logger?: Logger;
}

interface Bucket {
  tokens: number;
  updatedAtMs: number;
}

/**
 * Token buckets in the memory of one process. Exact under concurrency: reading and taking happen
 * in one synchronous step. A bucket idle for an hour is forgotten, which is when it is full anyway
 * with the defaults; with a slower refill only after it has filled up.
 */
export function createTokenBucket(options: TokenBucketOptions = {}): RateLimiter & {
  /** Users with a bucket. */
  readonly size: number;
} {
  const { capacity = 100, refillPerMinute = 10, clock = Date.now, logger } = options;
  if (!(capacity > 0) || !(refillPerMinute > 0)) {
    throw new RangeError('capacity and refillPerMinute must be above 0');
  }
  const refillPerMs = refillPerMinute / 60_000;
  const forgetAfterMs = Math.max(IDLE_MS, capacity / refillPerMs);
  // In order of last use: the idle ones are at the front.
  const buckets = new Map<string, Bucket>();

  const forgetIdle = (nowMs: number) => {
    for (const [userId, bucket] of buckets) {
      if (nowMs - bucket.updatedAtMs < forgetAfterMs) break;
      buckets.delete(userId);
    }
  };

  return {
    get size() {
      return buckets.size;
    },
    async consume(userId, tokens = 1) {
      if (!(tokens > 0) || tokens > capacity) {
        throw new RangeError(`tokens must be above 0 and at most ${capacity}, not ${tokens}`);
      }
      const nowMs = clock();
      forgetIdle(nowMs);
      const bucket = buckets.get(userId) ?? { tokens: capacity, updatedAtMs: nowMs };
      // A clock set back neither refills nor takes; it counts on from its new time.
      const elapsedMs = Math.max(0, nowMs - bucket.updatedAtMs);
      bucket.tokens = Math.min(capacity, bucket.tokens + elapsedMs * refillPerMs);
      bucket.updatedAtMs = nowMs;
      buckets.delete(userId);
      buckets.set(userId, bucket);
      // Refills add up in floating point: a millionth of a token must not cost a second.
      const missing = tokens - bucket.tokens;
      if (missing > 1e-6) {
        logger?.warn({ userId }, `[RateLimit] User ${userId} exceeded limit`);
        return {
          allowed: false,
          retryAfter: Math.max(1, Math.ceil(missing / refillPerMs / 1000 - 1e-6)),
          remaining: Math.floor(bucket.tokens + 1e-6),
        };
      }
      bucket.tokens = Math.max(0, bucket.tokens - tokens);
      return { allowed: true, retryAfter: 0, remaining: Math.floor(bucket.tokens + 1e-6) };
    },
  };
}
