/** Source of randomness in [0, 1), as `Math.random`. */
export type Random = () => number;

/** Seconds before each retry of processing: its failures are local and pass quickly. */
export const PROCESSING_DELAYS_SECONDS: readonly number[] = [1, 5, 30, 120, 600];

/** Seconds before each retry of an embedding: 1 min, 5 min, 15 min, 1 h, 6 h, as providers recover. */
export const EMBEDDING_DELAYS_SECONDS: readonly number[] = [60, 300, 900, 3600, 21_600];

/** A provider that throttles without saying for how long is asked again after this. */
export const THROTTLED_DEFAULT_SECONDS = 60;

/** Spreads retries that failed together: ±20 %. */
const JITTER = 0.2;

/**
 * How long to wait after the given number of failures (from 1), or `undefined` when the schedule is
 * used up and the failure is final.
 */
export function retryDelaySeconds(
  delays: readonly number[],
  failures: number,
  random: Random,
): number | undefined {
  const delay = delays[failures - 1];
  return delay === undefined ? undefined : delay * (1 - JITTER + 2 * JITTER * random());
}

/** Never earlier than the provider asked, up to 20 % later. */
export function throttledDelaySeconds(
  retryAfterSeconds: number | undefined,
  random: Random,
): number {
  return (retryAfterSeconds ?? THROTTLED_DEFAULT_SECONDS) * (1 + JITTER * random());
}
