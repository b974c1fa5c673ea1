/** `@bulkhead/server/redis`: state in Redis, for several processes. Needs `ioredis`. */
export {
  createRedisTokenBucket,
  type RedisTokenBucketOptions,
} from './rate-limit/redis-token-bucket.ts';
