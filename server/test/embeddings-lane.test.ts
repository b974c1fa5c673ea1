import { describe, expect, it } from 'vitest';
import { retryAfterOf } from '../src/embeddings/provider-error.ts';
import { createProviderLane, type ProviderLaneOptions } from '../src/embeddings/provider-lane.ts';
import { silentLogger } from '../src/logging.ts';
import { createMemoryTokenBucket } from '../src/rate-limit/memory-token-bucket.ts';

const PACE = { provider: 'replicate', requestsPerMinute: 5 };

function bench() {
  const time = { nowMs: Date.UTC(2030, 0, 1, 12) };
  const clock = () => time.nowMs;
  const laneOf = (options: Partial<ProviderLaneOptions> = {}) =>
    createProviderLane({ clock, random: () => 0.5, logger: silentLogger, ...options });
  return { time, clock, laneOf };
}

describe('the lane of a paced provider', () => {
  it('sends 5 a minute over ten processes that share a limiter, and never more', async () => {
    const { time, clock, laneOf } = bench();
    const rateLimiter = createMemoryTokenBucket({ capacity: 1, refillPerMinute: 5, clock });
    let consumed = 0;
    const counting = {
      consume: (key: string, tokens?: number) => {
        consumed++;
        expect(key).toBe('provider:replicate');
        return rateLimiter.consume(key, tokens);
      },
    };
    const lanes = Array.from({ length: 10 }, () => laneOf({ pace: PACE, rateLimiter: counting }));
    const sentAt: number[] = [];
    // A queue that is never empty, looked at every 100 ms for ten minutes.
    for (let step = 0; step < 6000; step++, time.nowMs += 100) {
      for (const lane of lanes) {
        const { permits } = await lane.admit(8);
        for (let i = 0; i < permits; i++) sentAt.push(time.nowMs);
      }
    }
    expect(sentAt.length).toBeGreaterThanOrEqual(49);
    expect(sentAt.length).toBeLessThanOrEqual(51);
    for (const [i, at] of sentAt.entries()) {
      const inMinute = sentAt.slice(i).filter((other) => other < at + 60_000).length;
      expect(inMinute).toBeLessThanOrEqual(5);
    }
    // The limiter is asked when a token may be there, not at every look.
    expect(consumed).toBeLessThan(10 * sentAt.length * 2);
  });

  it('keeps a token that found no job for one interval, then lets it lapse', async () => {
    const { time, laneOf } = bench();
    const lane = laneOf({ pace: PACE });
    expect(await lane.admit(8)).toEqual({ permits: 1, waitMs: 0 });
    lane.giveBack(1);
    expect((await lane.admit(8)).permits).toBe(1);
    lane.giveBack(1);
    time.nowMs += 12_000;
    // The old one has lapsed; this is the bucket's next.
    expect((await lane.admit(8)).permits).toBe(1);
    expect(await lane.admit(8)).toEqual({ permits: 0, waitMs: 12_000 });
  });

  it('keeps a pace of many a second', async () => {
    const { time, laneOf } = bench();
    const lane = laneOf({ pace: { provider: 'fast', requestsPerMinute: 600 } });
    let sent = 0;
    for (let ms = 0; ms < 60_000; ms += 50, time.nowMs += 50) sent += (await lane.admit(8)).permits;
    expect(sent).toBeGreaterThan(590);
    expect(sent).toBeLessThanOrEqual(611);
  });

  it('without a pace admits whatever is asked', async () => {
    expect(await bench().laneOf().admit(8)).toEqual({ permits: 8, waitMs: 0 });
  });
});

describe('the lane of a provider that is down', () => {
  it('waits 5 s, then longer and longer up to 5 min, and is tried by one request each time', async () => {
    const { time, laneOf } = bench();
    const lane = laneOf();
    const pauses: number[] = [];
    for (let failures = 0; failures < 8; failures++) {
      pauses.push(lane.failed());
      expect((await lane.admit(8)).permits).toBe(0);
      time.nowMs += (pauses.at(-1) ?? 0) * 1000;
      expect((await lane.admit(8)).permits).toBe(1);
      // Until the probe has told its outcome nobody else is let through.
      expect((await lane.admit(8)).permits).toBe(0);
    }
    expect(pauses).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
    lane.answered();
    expect((await lane.admit(8)).permits).toBe(8);
    expect(lane.failed()).toBe(5);
  });

  it('counts requests that fail together as one failure', () => {
    const { laneOf } = bench();
    const lane = laneOf();
    expect([lane.failed(), lane.failed(), lane.failed()]).toEqual([5, 5, 5]);
  });

  it('probes again when a probe is never heard of, or found no job', async () => {
    const { time, laneOf } = bench();
    const lane = laneOf();
    lane.failed();
    time.nowMs += 5000;
    expect((await lane.admit(8)).permits).toBe(1);
    lane.giveBack(1);
    expect((await lane.admit(8)).permits).toBe(1);
    time.nowMs += 60_000;
    expect((await lane.admit(8)).permits).toBe(1);
  });

  it('spreads its pauses by 20 %', () => {
    const { laneOf } = bench();
    expect(laneOf({ random: () => 0 }).failed()).toBe(4);
    expect(laneOf({ random: () => 0.999 }).failed()).toBeCloseTo(6, 1);
  });

  it('keeps the pause that a throttling provider asked for', async () => {
    const { time, laneOf } = bench();
    const lane = laneOf({ pace: PACE });
    lane.throttled(90);
    expect(await lane.admit(1)).toEqual({ permits: 0, waitMs: 90_000 });
    time.nowMs += 90_000;
    expect((await lane.admit(1)).permits).toBe(1);
  });
});

describe('the lane of a provider with a budget', () => {
  it('waits for the next day, in UTC, when the budget is spent', async () => {
    const { time, laneOf } = bench();
    let left = 2;
    const budget = { spend: async () => left-- > 0 };
    const lane = laneOf({ pace: PACE, budget });
    expect([await lane.spend(), await lane.spend(), await lane.spend()]).toEqual([
      true,
      true,
      false,
    ]);
    expect(lane.pausedSeconds()).toBe(12 * 3600);
    expect((await lane.admit(8)).permits).toBe(0);
    time.nowMs += 12 * 3600 * 1000;
    expect((await lane.admit(8)).permits).toBe(1);
  });
});

describe('Retry-After', () => {
  it.each([
    ['7', 7],
    ['0', 0],
    ['Tue, 01 Jan 2030 12:01:00 GMT', 60],
    ['Tue, 01 Jan 2030 11:00:00 GMT', 0],
    ['soon', undefined],
    [null, undefined],
  ])('of %j is %j seconds', (header, seconds) => {
    expect(retryAfterOf(header, Date.UTC(2030, 0, 1, 12))).toBe(seconds);
  });
});
