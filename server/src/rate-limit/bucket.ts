import type { RateLimitResult } from './rate-limiter.ts';

/**
 * Refills add up in floating point: a millionth of a token must not cost a second. The statements of
 * the other states use it too.
 */
export const TOKEN_EPSILON = 1e-6;

export interface Bucket {
  tokens: number;
  updatedAtMs: number;
}

/** One request to take tokens, at the rates of this moment. */
export interface Take {
  tokens: number;
  capacity: number;
  refillPerMs: number;
}

export interface Taken {
  isAllowed: boolean;
  /** Left over, with fractions. */
  tokens: number;
}

/**
 * The arithmetic of a token bucket. The Postgres and Redis states do the same in SQL and Lua, where the
 * bucket is; one test suite holds all of them against this.
 *
 * @param bucket undefined for a new user, who starts with a full one
 */
export function takeTokens(bucket: Bucket | undefined, take: Take, nowMs: number): Taken {
  // A clock set back neither refills nor takes; it counts on from its new time.
  const elapsedMs = bucket ? Math.max(0, nowMs - bucket.updatedAtMs) : 0;
  const saved = bucket ? bucket.tokens + elapsedMs * take.refillPerMs : take.capacity;
  const tokens = Math.min(take.capacity, saved);
  const isAllowed = tokens >= take.tokens - TOKEN_EPSILON;
  return { isAllowed, tokens: isAllowed ? Math.max(0, tokens - take.tokens) : tokens };
}

/** What the caller is told. */
export function resultOf(taken: Taken, take: Take): RateLimitResult {
  const remaining = Math.floor(taken.tokens + TOKEN_EPSILON);
  if (taken.isAllowed) return { allowed: true, retryAfter: 0, remaining };
  const waitSeconds = (take.tokens - taken.tokens) / take.refillPerMs / 1000;
  const retryAfter = Math.max(1, Math.ceil(waitSeconds - TOKEN_EPSILON));
  return { allowed: false, retryAfter, remaining };
}
