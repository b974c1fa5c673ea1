import { AdaptiveConcurrency } from '../../src/core/concurrency/adaptive-concurrency.ts';
import { Pacer } from '../../src/core/concurrency/pacer.ts';

/** Who decides how many requests are under way. */
export interface Policy {
  /** Requests at once, now. */
  limit(nowMs: number): number;
  started(nowMs: number): void;
  transferred(bytes: number): void;
  succeeded(nowMs: number, durationMs: number): void;
  failed(nowMs: number): void;
  throttled(nowMs: number, retryAfterMs: number): void;
  tick(nowMs: number): void;
}

/** A number chosen beforehand, as most uploaders do; it waits when told to. */
export function fixed(concurrency: number, max: number): Policy {
  let holdMs = 0;
  return {
    limit: (nowMs) => (nowMs < holdMs ? 0 : Math.min(concurrency, max)),
    started() {},
    transferred() {},
    succeeded() {},
    failed() {},
    throttled(nowMs, retryAfterMs) {
      holdMs = Math.max(holdMs, nowMs + retryAfterMs);
    },
    tick() {},
  };
}

/** One more each second, half of it on any failure. */
export function aimd(max: number): Policy {
  let limit = 4;
  let holdMs = 0;
  let raisedMs = 0;
  let halvedMs = 0;
  const halve = (nowMs: number) => {
    if (nowMs - halvedMs < 1_000) return;
    halvedMs = nowMs;
    limit = Math.max(1, limit / 2);
  };
  return {
    limit: (nowMs) => (nowMs < holdMs ? 0 : Math.floor(limit)),
    started() {},
    transferred() {},
    succeeded() {},
    failed: halve,
    throttled(nowMs, retryAfterMs) {
      holdMs = Math.max(holdMs, nowMs + retryAfterMs);
      halve(nowMs);
    },
    tick(nowMs) {
      if (nowMs - raisedMs < 1_000) return;
      raisedMs = nowMs;
      limit = Math.min(max, limit + 1);
    },
  };
}

/** Ours. */
export function adaptive(max: number): Policy {
  const concurrency = new AdaptiveConcurrency({ max });
  const pacer = new Pacer();
  let holdMs = 0;
  let active = 0;
  return {
    limit(nowMs) {
      if (nowMs < holdMs || nowMs < pacer.nextStartMs) {
        concurrency.starved();
        return 0;
      }
      // While requests are spaced out, one at a time may start.
      return Number.isFinite(pacer.ratePerSecond)
        ? Math.min(concurrency.limit, active + 1)
        : concurrency.limit;
    },
    started(nowMs) {
      active += 1;
      pacer.started(nowMs);
    },
    transferred: (bytes) => concurrency.transferred(bytes),
    succeeded(nowMs, durationMs) {
      active -= 1;
      pacer.succeeded();
      concurrency.ended(durationMs);
      concurrency.tick(nowMs);
    },
    failed() {
      active -= 1;
    },
    throttled(nowMs, retryAfterMs) {
      active -= 1;
      holdMs = Math.max(holdMs, nowMs + retryAfterMs);
      pacer.throttled(nowMs, holdMs);
      concurrency.throttled(nowMs);
    },
    tick: (nowMs) => concurrency.tick(nowMs),
  };
}
