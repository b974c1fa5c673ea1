/**
 * `@bulkhead/server/redis`: state in Redis, for several processes. Needs `ioredis`.
 *
 * @module @bulkhead/server/redis
 */
export {
  createRedisTokenBucket,
  type RedisTokenBucketOptions,
} from './rate-limit/redis-token-bucket.ts';
