import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EMBEDDING_DELAYS_SECONDS,
  PROCESSING_DELAYS_SECONDS,
  retryDelaySeconds,
  throttledDelaySeconds,
} from '../src/jobs/backoff.ts';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const schedule = fc.constantFrom(PROCESSING_DELAYS_SECONDS, EMBEDDING_DELAYS_SECONDS);

describe('retryDelaySeconds', () => {
  it('follows the two schedules', () => {
    const middle = () => 0.5;
    const all = (delays: readonly number[]) =>
      [1, 2, 3, 4, 5, 6].map((failures) => retryDelaySeconds(delays, failures, middle));
    expect(all(PROCESSING_DELAYS_SECONDS)).toEqual([1, 5, 30, 120, 600, undefined]);
    expect(all(EMBEDDING_DELAYS_SECONDS)).toEqual([60, 300, 900, 3600, 21_600, undefined]);
  });

  it('stays within 20 % of the schedule for every random value', () => {
    fc.assert(
      fc.property(schedule, fc.integer({ min: 1, max: 5 }), random, (delays, failures, value) => {
        const base = delays[failures - 1] ?? Number.NaN;
        const delay = retryDelaySeconds(delays, failures, () => value) ?? Number.NaN;
        expect(delay).toBeGreaterThanOrEqual(base * 0.8 - 1e-9);
        expect(delay).toBeLessThan(base * 1.2 + 1e-9);
      }),
    );
  });

  it('grows with every failure, whatever the jitter, and ends after five', () => {
    fc.assert(
      fc.property(schedule, fc.array(random, { minLength: 5, maxLength: 5 }), (delays, values) => {
        const waits = values.map((value, i) => retryDelaySeconds(delays, i + 1, () => value));
        expect([...waits].sort((a = 0, b = 0) => a - b)).toEqual(waits);
        expect(retryDelaySeconds(delays, 6, () => 0)).toBeUndefined();
      }),
    );
  });
});

describe('throttledDelaySeconds', () => {
  it('never asks again before the provider allows it, and at most 20 % later', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400 }), random, (seconds, value) => {
        const delay = throttledDelaySeconds(seconds, () => value);
        expect(delay).toBeGreaterThanOrEqual(seconds);
        expect(delay).toBeLessThanOrEqual(seconds * 1.2);
      }),
    );
  });

  it('waits a minute when the provider does not say', () => {
    expect(throttledDelaySeconds(undefined, () => 0)).toBe(60);
  });
});
