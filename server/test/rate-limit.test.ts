import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryTokenBucket } from '../src/rate-limit/memory-token-bucket.ts';
import { MIN_REFILL_FACTOR, refillFactor } from '../src/rate-limit/refill-factor.ts';
import { describeTokenBucket } from './fixtures/describe-token-bucket.ts';

describeTokenBucket('in memory', false, async () => ({
  create: createMemoryTokenBucket,
  close: async () => {},
}));

function createTimedBucket(options = {}) {
  let nowMs = 1_000_000;
  return {
    bucket: createMemoryTokenBucket({ ...options, clock: () => nowMs }),
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('a token bucket in memory', () => {
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

  test('is forgotten later where refills may shrink to a tenth', async () => {
    let pressure = 1;
    const { bucket, advance } = createTimedBucket({ adaptive: { pressure: () => pressure } });
    await bucket.consume('ada', 100);
    advance(61 * 60_000);
    // Ten tokens in ten minutes, but a tenth of that under load.
    expect((await bucket.consume('ada', 62)).allowed).toBe(false);
    pressure = 0;
    advance(100 * 60_000);
    await bucket.sweep();
    expect(bucket.size).toBe(0);
  });
});

describe('the refill factor', () => {
  const pressures = fc.double({ min: -1, max: 2, noNaN: true });

  test('is 1 without load, a tenth under full load, and 1 for what is not a number', () => {
    expect([0, 0.5, 1, 7, Number.NaN, -1].map(refillFactor)).toEqual([1, 1, 0.1, 0.1, 1, 1]);
    expect(refillFactor(Number.POSITIVE_INFINITY)).toBe(MIN_REFILL_FACTOR);
    expect(refillFactor(0.75)).toBeCloseTo(0.55);
  });

  test('is never above 1 nor below a tenth, and never grows with the load', () => {
    fc.assert(
      fc.property(pressures, pressures, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(refillFactor(low)).toBeLessThanOrEqual(1);
        expect(refillFactor(high)).toBeGreaterThanOrEqual(MIN_REFILL_FACTOR);
        expect(refillFactor(high)).toBeLessThanOrEqual(refillFactor(low));
      }),
    );
  });
});
