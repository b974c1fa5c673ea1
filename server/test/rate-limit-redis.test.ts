import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import '../../test/support/services.ts';
import { createRedisTokenBucket } from '../src/redis.ts';
import { describeTokenBucket } from './fixtures/describe-token-bucket.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

const newPrefix = () => `bulkhead-test-${randomUUID()}:`;
const timeoutMs = 30_000;

async function openRedis() {
  const redis = new Redis(inject('redisUrl'));
  const keyPrefix = newPrefix();
  return {
    redis,
    keyPrefix,
    async close() {
      const keys = await redis.keys(`${keyPrefix}*`);
      if (keys.length > 0) await redis.del(keys);
      await redis.quit();
    },
  };
}

describeTokenBucket('in Redis', true, async () => {
  const { redis, keyPrefix, close } = await openRedis();
  return {
    create: (options) => createRedisTokenBucket({ redis, keyPrefix, timeoutMs, ...options }),
    close,
  };
});

describe('a token bucket in Redis', () => {
  let subject: Awaited<ReturnType<typeof openRedis>>;
  beforeAll(async () => {
    subject = await openRedis();
  });
  afterAll(() => subject?.close());

  test('is forgotten by Redis itself after an idle hour, or when it is full', async () => {
    const { redis, keyPrefix } = subject;
    await createRedisTokenBucket({ redis, keyPrefix, timeoutMs }).consume('ada');
    const ttlMs = await redis.pttl(`${keyPrefix}ada`);
    expect(ttlMs).toBeGreaterThan(59 * 60_000);
    expect(ttlMs).toBeLessThanOrEqual(60 * 60_000);
    const slow = createRedisTokenBucket({ redis, keyPrefix, timeoutMs, refillPerMinute: 0.5 });
    await slow.consume('ada');
    expect(await redis.pttl(`${keyPrefix}ada`)).toBeGreaterThan(199 * 60_000);
  });

  test('goes on when Redis forgot its scripts', async () => {
    const { redis, keyPrefix } = subject;
    const logger = recordingLogger();
    const bucket = createRedisTokenBucket({ redis, keyPrefix, timeoutMs, logger });
    await bucket.consume('grace');
    await redis.script('FLUSH');
    expect(await bucket.consume('grace')).toMatchObject({ allowed: true, remaining: 98 });
    expect(logger.lines).toEqual([]);
  });

  test('keeps users of other prefixes apart', async () => {
    const { redis } = subject;
    const [one, two] = [`${subject.keyPrefix}one:`, `${subject.keyPrefix}two:`];
    await createRedisTokenBucket({ redis, keyPrefix: one, timeoutMs }).consume('ada', 100);
    const other = createRedisTokenBucket({ redis, keyPrefix: two, timeoutMs });
    expect((await other.consume('ada')).remaining).toBe(99);
  });

  test('a Redis that cannot be reached is said once, and the process limits by itself', async () => {
    const redis = new Redis(inject('redisUrl'), { lazyConnect: true });
    redis.disconnect();
    const logger = recordingLogger();
    const bucket = createRedisTokenBucket({ redis, logger });
    const results = [];
    for (let i = 0; i < 101; i++) results.push(await bucket.consume('ada'));
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(100);
    const errors = logger.lines.filter(({ level }) => level === 'error');
    expect(errors.map(({ message }) => message)).toEqual([
      '[RateLimit] Redis cannot be asked; each process limits by itself',
    ]);
  });

  test('a Redis that never answers holds nobody up for longer than the timeout', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const redis = new Redis({ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: null });
    redis.on('error', () => {});
    try {
      const bucket = createRedisTokenBucket({ redis, timeoutMs: 50, onFailure: 'refuse' });
      await expect(bucket.consume('ada')).rejects.toMatchObject({
        code: 'unavailable',
        retryAfterSeconds: 1,
        cause: { message: 'No answer within 50 ms' },
      });
    } finally {
      redis.disconnect();
      silent.close();
    }
  });
});
