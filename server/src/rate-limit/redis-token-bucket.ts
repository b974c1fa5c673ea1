import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import { TOKEN_EPSILON } from './bucket.ts';
import type { BucketState } from './bucket-limiter.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { createSharedLimiter, type SharedLimiterOptions } from './shared-limiter.ts';

export interface RedisTokenBucketOptions extends SharedLimiterOptions {
  /** An ioredis client of your own (`Redis` or `Cluster`): it stays open. */
  redis: Pick<Redis, 'evalsha' | 'eval'>;
  /** Before each user id. Default `bulkhead:rate-limit:`. */
  keyPrefix?: string | undefined;
  /** Default: Redis's own clock, so that processes whose clocks differ agree. For tests. */
  clock?: Clock | undefined;
}

/** One key, so that it runs in a cluster. Numbers travel as text: Redis would cut their fractions off. */
const SCRIPT = `
local wanted, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local refill_per_ms, forget_after_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local now_ms = tonumber(ARGV[5])
if not now_ms then
  local time = redis.call('TIME')
  now_ms = time[1] * 1000 + time[2] / 1000
end
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'updatedAtMs')
local tokens = capacity
if bucket[1] and bucket[2] then
  local elapsed_ms = math.max(0, now_ms - tonumber(bucket[2]))
  tokens = math.min(capacity, tonumber(bucket[1]) + elapsed_ms * refill_per_ms)
end
local is_allowed = tokens >= wanted - ${TOKEN_EPSILON}
if is_allowed then tokens = math.max(0, tokens - wanted) end
local left = string.format('%.17g', tokens)
redis.call('HSET', KEYS[1], 'tokens', left, 'updatedAtMs', string.format('%.17g', now_ms))
redis.call('PEXPIRE', KEYS[1], forget_after_ms)
return { is_allowed and 1 or 0, left }
`;
const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');

/**
 * Token buckets in Redis (5 or newer), for several processes: one script a request, exact in races. Idle
 * buckets expire.
 */
export function createRedisTokenBucket(options: RedisTokenBucketOptions): Required<RateLimiter> {
  const { redis, keyPrefix = 'bulkhead:rate-limit:', clock } = options;

  const run = async (key: string, args: readonly (string | number)[]) => {
    try {
      return await redis.evalsha(SCRIPT_SHA, 1, key, ...args);
    } catch (error) {
      // A Redis that was restarted, or whose scripts were flushed, has to be told it again.
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return redis.eval(SCRIPT, 1, key, ...args);
    }
  };

  const state: BucketState = {
    async take(userId, { tokens, capacity, refillPerMs }, forgetAfterMs) {
      const args = [tokens, capacity, refillPerMs, forgetAfterMs, clock ? clock() : 'server'];
      const answer = await run(`${keyPrefix}${userId}`, args);
      if (!Array.isArray(answer)) throw new Error('The rate limit script returned no list');
      return { isAllowed: answer[0] === 1, tokens: Number(answer[1]) };
    },
  };
  return createSharedLimiter(state, { stateName: 'Redis', defaultTimeoutMs: 1000 }, options);
}
