import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryTokenBucket } from '../src/rate-limit/memory-token-bucket.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

function createTimedBucket(options = {}) {
  let nowMs = 1_000_000;
  const logger = recordingLogger();
  const bucket = createMemoryTokenBucket({ ...options, clock: () => nowMs, logger });
  return {
    bucket,
    logger,
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('token bucket', () => {
  test('lets a burst of its capacity pass, then refuses', async () => {
    const { bucket } = createTimedBucket();
    for (let i = 99; i >= 0; i--) {
      expect(await bucket.consume('ada')).toEqual({ allowed: true, retryAfter: 0, remaining: i });
    }
    expect(await bucket.consume('ada')).toEqual({ allowed: false, retryAfter: 6, remaining: 0 });
  });

  test('of 150 requests at once, 100 pass', async () => {
    const { bucket } = createTimedBucket();
    const results = await Promise.all(Array.from({ length: 150 }, () => bucket.consume('ada')));
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(100);
  });

  test('refills ten tokens a minute, up to its capacity', async () => {
    const { bucket, advance } = createTimedBucket();
    await bucket.consume('ada', 100);
    advance(60_000);
    for (let i = 0; i < 10; i++) expect((await bucket.consume('ada')).allowed).toBe(true);
    expect((await bucket.consume('ada')).allowed).toBe(false);
    advance(24 * 3_600_000);
    expect(await bucket.consume('ada')).toMatchObject({ allowed: true, remaining: 99 });
  });

  test('after retryAfter seconds the request passes, and not a second before', async () => {
    const { bucket, advance } = createTimedBucket();
    await bucket.consume('ada', 100);
    const { retryAfter } = await bucket.consume('ada', 7);
    expect(retryAfter).toBe(42);
    advance((retryAfter - 1) * 1000);
    expect((await bucket.consume('ada', 7)).allowed).toBe(false);
    advance(1000);
    expect((await bucket.consume('ada', 7)).allowed).toBe(true);
  });

  test('users do not use up each other’s tokens', async () => {
    const { bucket } = createTimedBucket();
    await bucket.consume('ada', 100);
    expect((await bucket.consume('ada')).allowed).toBe(false);
    expect(await bucket.consume('grace')).toMatchObject({ allowed: true, remaining: 99 });
  });

  test('a clock that goes backwards neither refills nor takes', async () => {
    const { bucket, advance } = createTimedBucket();
    await bucket.consume('ada', 100);
    advance(-3_600_000);
    expect(await bucket.consume('ada')).toMatchObject({ allowed: false, retryAfter: 6 });
    advance(6000);
    expect((await bucket.consume('ada')).allowed).toBe(true);
  });

  test('forgets a bucket that was idle for an hour', async () => {
    const { bucket, advance } = createTimedBucket();
    for (const user of ['a', 'b', 'c']) await bucket.consume(user);
    expect(bucket.size).toBe(3);
    advance(59 * 60_000);
    await bucket.consume('c');
    advance(60_000);
    await bucket.consume('c');
    expect(bucket.size).toBe(1);
  });

  test('a refill slower than an hour is not cut short by forgetting', async () => {
    const { bucket, advance } = createTimedBucket({ capacity: 10, refillPerMinute: 0.1 });
    await bucket.consume('ada', 10);
    advance(61 * 60_000);
    expect((await bucket.consume('ada', 7)).allowed).toBe(false);
  });

  test('logs each refusal', async () => {
    const { bucket, logger } = createTimedBucket({ capacity: 1 });
    await bucket.consume('ada');
    await bucket.consume('ada');
    expect(logger.lines.map(({ message }) => message)).toEqual([
      '[RateLimit] User ada exceeded limit',
    ]);
  });

  test('refuses to take more than it can ever hold', async () => {
    const { bucket } = createTimedBucket();
    await expect(bucket.consume('ada', 101)).rejects.toThrow('at most 100');
    await expect(bucket.consume('ada', 0)).rejects.toThrow('above 0');
  });

  test('never lets more pass than capacity plus refill, and keeps every retryAfter', async () => {
    const step = fc.record({
      waitMs: fc.integer({ min: -5000, max: 120_000 }),
      tokens: fc.integer({ min: 1, max: 100 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { bucket, advance } = createTimedBucket();
        let taken = 0;
        let forwardMs = 0;
        for (const { waitMs, tokens } of steps) {
          advance(waitMs);
          forwardMs += Math.max(0, waitMs);
          const { allowed, retryAfter, remaining } = await bucket.consume('ada', tokens);
          if (allowed) taken += tokens;
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(remaining).toBeLessThanOrEqual(100);
          expect(Number.isInteger(retryAfter)).toBe(true);
          if (!allowed) {
            expect(retryAfter).toBeGreaterThanOrEqual(1);
            advance(retryAfter * 1000);
            forwardMs += retryAfter * 1000;
            expect((await bucket.consume('ada', tokens)).allowed).toBe(true);
            taken += tokens;
          }
          expect(taken).toBeLessThanOrEqual(100 + (forwardMs / 60_000) * 10 + 1e-3);
        }
      }),
      { numRuns: 200 },
    );
  });
});
