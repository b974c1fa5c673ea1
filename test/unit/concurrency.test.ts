import { describe, expect, it } from 'vitest';
import { AdaptiveConcurrency } from '../../src/core/concurrency/adaptive-concurrency.ts';
import { BandwidthCap } from '../../src/core/concurrency/bandwidth-cap.ts';
import { Pacer } from '../../src/core/concurrency/pacer.ts';
import { compare, geometricMean } from '../sim/compare.ts';

describe('adaptive concurrency in the simulation', () => {
  const rows = compare();
  const ratios = rows.map(({ ratio }) => ratio);

  it('covers at least fifteen scenarios', () => expect(rows.length).toBeGreaterThanOrEqual(15));

  it('takes at most 1.10 times as long as the best fixed number, in the geometric mean', () => {
    expect(geometricMean(ratios)).toBeLessThanOrEqual(1.1);
  });

  it.each(rows.map((row) => [row.scenario, row.ratio] as const))(
    'takes at most 1.25 times as long as the best fixed number: %s',
    (_scenario, ratio) => expect(ratio).toBeLessThanOrEqual(1.25),
  );

  it.each(rows.map((row) => [row.scenario, row.throttled] as const))(
    'makes at most 1 %% of its requests run into a limit: %s',
    (_scenario, throttled) => expect(throttled).toBeLessThanOrEqual(0.01),
  );
});

describe('adaptive concurrency', () => {
  /** Ten seconds of a network that gives `goodput(limit)` bytes a millisecond. */
  function feed(
    concurrency: AdaptiveConcurrency,
    fromMs: number,
    goodput: (limit: number) => number,
    forMs = 10_000,
  ): number {
    for (let now = fromMs; now < fromMs + forMs; now += 50) {
      concurrency.transferred(goodput(concurrency.limit) * 50);
      for (let ended = 0; ended < goodput(concurrency.limit) / 10_000; ended += 1) {
        concurrency.ended(100);
      }
      concurrency.tick(now);
    }
    return fromMs + forMs;
  }

  it('doubles while goodput grows with it', () => {
    const concurrency = new AdaptiveConcurrency({ max: 64 });
    feed(concurrency, 0, (limit) => limit * 50_000);
    expect(concurrency.limit).toBe(64);
  });

  it('stays near the knee when more brings nothing', () => {
    const concurrency = new AdaptiveConcurrency({ max: 64 });
    const limits: number[] = [];
    const goodput = (limit: number) => {
      limits.push(limit);
      return Math.min(limit, 10) * 50_000;
    };
    feed(concurrency, 0, goodput, 120_000);
    const late = limits.slice(-limits.length / 2);
    const mean = late.reduce((sum, limit) => sum + limit, 0) / late.length;
    expect(mean).toBeGreaterThan(8);
    expect(mean).toBeLessThan(18);
  });

  it('never leaves its bounds', () => {
    const concurrency = new AdaptiveConcurrency({ initial: 4, min: 2, max: 6 });
    const now = feed(concurrency, 0, (limit) => limit * 50_000, 30_000);
    expect(concurrency.limit).toBeLessThanOrEqual(6);
    for (let at = now; at < now + 60_000; at += 2_000) concurrency.congested(at);
    expect(concurrency.limit).toBe(2);
  });

  it('takes 0.7 on throttling and half on congestion, once per event', () => {
    const concurrency = new AdaptiveConcurrency({ initial: 20, max: 20 });
    concurrency.throttled(0);
    concurrency.throttled(10);
    expect(concurrency.limit).toBe(14);
    concurrency.congested(5_000);
    expect(concurrency.limit).toBe(7);
  });

  it('learns nothing from times without enough work', () => {
    const concurrency = new AdaptiveConcurrency({ max: 64 });
    for (let now = 0; now < 30_000; now += 50) {
      concurrency.starved();
      concurrency.ended(100);
      concurrency.tick(now);
    }
    expect(concurrency.limit).toBe(4);
  });
});

describe('the pacer', () => {
  it('costs nothing before the first 429', () => {
    const pacer = new Pacer();
    for (let now = 0; now < 100; now += 1) {
      pacer.started(now);
      pacer.succeeded();
    }
    expect(pacer.nextStartMs).toBe(0);
    expect(pacer.ratePerSecond).toBe(Number.POSITIVE_INFINITY);
  });

  it('waits as asked, then keeps to the rate that was accepted', () => {
    const pacer = new Pacer();
    for (let now = 0; now < 10_000; now += 100) {
      pacer.started(now);
      pacer.succeeded();
    }
    pacer.throttled(10_000, 17_000);
    expect(pacer.nextStartMs).toBe(17_000);
    expect(pacer.ratePerSecond).toBeCloseTo(9.5, 1);
    pacer.started(17_000);
    expect(pacer.nextStartMs).toBeGreaterThan(17_100);
  });

  it('counts requests that were refused together as one refusal', () => {
    const pacer = new Pacer();
    for (let now = 0; now < 10_000; now += 100) {
      pacer.started(now);
      pacer.succeeded();
    }
    pacer.throttled(10_000, 12_000);
    const { ratePerSecond } = pacer;
    pacer.throttled(10_005, 12_005);
    expect(pacer.ratePerSecond).toBe(ratePerSecond);
  });
});

describe('the bandwidth cap', () => {
  it('spaces starts so that the mean stays below it', () => {
    const cap = new BandwidthCap();
    cap.set(1_000, 0);
    let now = 0;
    for (let file = 0; file < 50; file += 1) {
      now += cap.waitMs(now);
      cap.started(500, now);
    }
    expect((50 * 500) / (now / 1_000)).toBeLessThan(1_100);
    expect((50 * 500) / (now / 1_000)).toBeGreaterThan(900);
  });

  it('ends when it is taken away', () => {
    const cap = new BandwidthCap();
    cap.set(1, 0);
    cap.started(1_000_000, 0);
    cap.set(null, 1);
    expect(cap.waitMs(1)).toBe(0);
  });
});
