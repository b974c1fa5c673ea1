import type { FailureKind } from '../errors/upload-error.ts';

/** First step of the schedule. */
export const BASE_DELAY_MS = 1_000;
/** No wait is longer, whatever the attempt or the server says. */
export const MAX_DELAY_MS = 10 * 60_000;

const FACTOR: Record<FailureKind, number> = {
  rate_limit: 5,
  network: 2,
  server: 1,
  invalid: 1,
  unknown: 1,
};

/**
 * Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): uniform between 0 and
 * 1 s, 2 s, 4 s …, times 5 for rate limits and 2 for the network.
 *
 * @param attempt the attempt that failed, counted from 1
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, kind: FailureKind, random: number): number {
  const ceiling = BASE_DELAY_MS * FACTOR[kind] * 2 ** Math.min(attempt - 1, 16);
  return random * Math.min(ceiling, MAX_DELAY_MS);
}
