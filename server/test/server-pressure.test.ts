import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  createDelayReader,
  createServerPressure,
  nextPressure,
} from '../src/rate-limit/server-pressure.ts';

const NO_POOL = { database: { engine: { kind: 'pglite', pglite: {} as never } } } as const;

afterEach(() => {
  vi.useRealTimers();
});

describe('pressure', () => {
  const samples = fc.array(fc.double({ min: -1, max: 3 }), { maxLength: 4 });

  test('stays between 0 and 1, rises at once, and is half gone after four quiet samples', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), samples, (before, now) => {
        const after = nextPressure(before, now);
        expect(after).toBeGreaterThanOrEqual(0);
        expect(after).toBeLessThanOrEqual(1);
        for (const sample of now) {
          if (!Number.isNaN(sample)) expect(after).toBeGreaterThanOrEqual(Math.min(1, sample));
        }
        let quiet = after;
        for (let i = 0; i < 4; i++) quiet = nextPressure(quiet, [0]);
        expect(quiet).toBeLessThanOrEqual(after / 2 + Number.EPSILON);
      }),
    );
  });

  test('is the worst of its sources, sampled once a second, until it is closed', () => {
    vi.useFakeTimers();
    let load = 0;
    const pressure = createServerPressure({ ...NO_POOL, sources: [() => 0.1, () => load] });
    expect(pressure.read()).toBe(0);
    load = 0.9;
    vi.advanceTimersByTime(1000);
    expect(pressure.read()).toBe(0.9);
    pressure.close();
    load = 0;
    vi.advanceTimersByTime(60_000);
    expect(pressure.read()).toBe(0.9);
  });

  test('counts requests that wait for a connection against the connections there are', () => {
    vi.useFakeTimers();
    const pool = { waitingCount: 6, options: { max: 10 } };
    const pressure = createServerPressure({
      database: { engine: { kind: 'postgres', pool: pool as never } },
    });
    vi.advanceTimersByTime(1000);
    expect(pressure.read()).toBe(0.6);
    pool.waitingCount = 0;
    vi.advanceTimersByTime(20_000);
    expect(pressure.read()).toBeLessThan(0.01);
    pressure.close();
  });

  test('is measured by the delay of the event loop since the last look', () => {
    const histogram = { count: 0, mean: Number.NaN };
    const read = createDelayReader(histogram);
    expect(read()).toBe(0);
    Object.assign(histogram, { count: 50, mean: 20e6 });
    expect(read()).toBe(0);
    // Ten more ticks of 120 ms: 100 ms too late each.
    Object.assign(histogram, { count: 60, mean: (50 * 20e6 + 10 * 120e6) / 60 });
    expect(read()).toBeCloseTo(0.5);
    expect(read()).toBe(0);
  });

  test('sees an event loop that is blocked again and again', async () => {
    const pressure = createServerPressure(NO_POOL);
    const endMs = performance.now() + 5000;
    try {
      while (pressure.read() < 0.5 && performance.now() < endMs) {
        const untilMs = performance.now() + 300;
        while (performance.now() < untilMs);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      expect(pressure.read()).toBeGreaterThanOrEqual(0.5);
    } finally {
      pressure.close();
    }
  });
});
