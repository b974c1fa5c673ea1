import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { parseRetryAfterMs } from '../../src/protocol/retry-after.ts';
import { backoffMs, MAX_DELAY_MS } from '../../src/retry/backoff.ts';
import { Breaker } from '../../src/retry/breaker.ts';
import { decideRetry } from '../../src/retry/retry-policy.ts';

describe('backoff', () => {
  it('is uniform below 1 s, 2 s, 4 s, five times that for rate limits, twice for the network', () => {
    expect([1, 2, 3].map((attempt) => backoffMs(attempt, 'server', 1))).toEqual([1e3, 2e3, 4e3]);
    expect(backoffMs(1, 'rate_limit', 1)).toBe(5_000);
    expect(backoffMs(2, 'network', 1)).toBe(4_000);
    expect(backoffMs(3, 'server', 0)).toBe(0);
  });

  it('never passes ten minutes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, r) => {
          const delay = backoffMs(n, 'rate_limit', r);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThanOrEqual(MAX_DELAY_MS);
        },
      ),
    );
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');

  it('reads seconds', () => expect(parseRetryAfterMs('7', null, now)).toBe(7_000));

  it('reads a date against the answer’s own Date, whatever the client’s clock says', () => {
    const date = 'Sun, 01 Mar 2026 15:00:00 GMT';
    const until = 'Sun, 01 Mar 2026 15:00:30 GMT';
    expect(parseRetryAfterMs(until, date, now)).toBe(30_000);
  });

  it('waits ten minutes at most and never less than nothing', () => {
    expect(parseRetryAfterMs('86400', null, now)).toBe(600_000);
    expect(parseRetryAfterMs('Sun, 01 Mar 2026 11:00:00 GMT', null, now)).toBe(0);
  });

  it('says nothing when there is nothing to read', () => {
    expect(parseRetryAfterMs(null, null, now)).toBeUndefined();
    expect(parseRetryAfterMs('soon', null, now)).toBeUndefined();
  });
});

describe('the retry policy', () => {
  const error = new UploadError('internal', 'boom');

  it('gives a PUT five attempts, the other steps three, and a person’s retry ten', () => {
    expect(decideRetry('put', error, 4, false, 0).again).toBe(true);
    expect(decideRetry('put', error, 5, false, 0).again).toBe(false);
    expect(decideRetry('credentials', error, 3, false, 0).again).toBe(false);
    expect(decideRetry('finalize', error, 9, true, 0).again).toBe(true);
    expect(decideRetry('finalize', error, 10, true, 0).again).toBe(false);
  });

  it('never retries what will not change', () => {
    expect(decideRetry('put', new UploadError('svg_refused', 'no'), 1, true, 0).again).toBe(false);
  });

  it('waits at least as long as the answer asked', () => {
    const asked = new UploadError('internal', 'boom', { retryAfterMs: 9_000 });
    expect(decideRetry('put', asked, 1, false, 0).delayMs).toBe(9_000);
  });
});

describe('the breaker', () => {
  it('opens after so many failures in a row and costs no attempt from then on', () => {
    const breaker = new Breaker(3);
    expect([0, 1, 2, 3].map(() => breaker.failed(0, 1))).toEqual([true, true, false, false]);
    expect(breaker.state(0)).toBe('open');
  });

  it('probes when its pause is over, and doubles the pause when the probe fails', () => {
    const breaker = new Breaker(1);
    breaker.failed(0, 1);
    expect(breaker.untilMs).toBe(1_000);
    expect(breaker.state(1_000)).toBe('half-open');
    breaker.failed(1_000, 1);
    expect(breaker.untilMs).toBe(3_000);
  });

  it('closes with the first success', () => {
    const breaker = new Breaker(1);
    breaker.failed(0, 1);
    breaker.succeeded();
    expect(breaker.state(0)).toBe('closed');
  });

  it('never pauses longer than 30 s', () => {
    const breaker = new Breaker(1);
    let now = 0;
    for (let probe = 0; probe < 20; probe += 1) {
      breaker.failed(now, 1);
      expect(breaker.untilMs - now).toBeLessThanOrEqual(30_000);
      now = breaker.untilMs;
    }
  });
});
