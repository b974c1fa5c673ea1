/** Share of the accepted rate that is used after a 429. */
const CAUTION = 0.95;
/**
 * How much a success raises the rate: hardly at first, then with the square of the successes in a row.
 * About 180 requests from {@link CAUTION} to the limit, 500 to twice the rate.
 */
const RAISE_PER_SUCCESS = 0.000_15;
const RAISE_DOUBLES_AFTER = 100;
/** What a rate can be estimated from: a few requests in a second, or one in a long time. */
const MIN_SPAN_MS = 1_000;
const MIN_ACCEPTED = 5;
const LONG_SPAN_MS = 5_000;
/** Once the rate exceeds what was ever asked for by so much, the limit is gone. */
const FORGET_FACTOR = 4;

/**
 * Spaces requests out after the first 429, at the rate that the other side was seen to accept. Before
 * that it costs nothing. Between two 429s a token bucket accepts exactly what it refills, so the second
 * one tells its rate. Pure: time comes in.
 */
export class Pacer {
  #perMs = Number.POSITIVE_INFINITY;
  #peakPerMs = 0;
  #nextStartMs = 0;
  #accepted = 0;
  #sinceMs = Number.NaN;
  #throttledMs = Number.NEGATIVE_INFINITY;

  /** Requests per second, Infinity while nobody asked for less. */
  get ratePerSecond(): number {
    return this.#perMs * 1_000;
  }

  /** When the next request may start; not later than now while there is no limit. */
  get nextStartMs(): number {
    return this.#nextStartMs;
  }

  started(nowMs: number): void {
    if (Number.isNaN(this.#sinceMs)) this.#sinceMs = nowMs;
    if (this.#perMs === Number.POSITIVE_INFINITY) return;
    this.#nextStartMs = Math.max(this.#nextStartMs, nowMs - 1 / this.#perMs) + 1 / this.#perMs;
  }

  succeeded(): void {
    this.#accepted += 1;
    if (this.#perMs === Number.POSITIVE_INFINITY) return;
    this.#perMs *= 1 + RAISE_PER_SUCCESS * (1 + (this.#accepted / RAISE_DOUBLES_AFTER) ** 2);
    if (this.#perMs > this.#peakPerMs * FORGET_FACTOR) this.#perMs = Number.POSITIVE_INFINITY;
  }

  /**
   * @param resumeMs when the lane may go on
   * @param isAsked whether the other side said when: then it refills just that long, else it may be full
   *   long before, and the time says nothing about its rate
   */
  throttled(nowMs: number, resumeMs: number, isAsked = true): void {
    // Requests under way together are refused together: that is one refusal.
    const isSameEvent = nowMs < this.#throttledMs;
    this.#throttledMs = Math.max(this.#throttledMs, resumeMs);
    this.#nextStartMs = Math.max(this.#nextStartMs, resumeMs);
    if (isSameEvent) return;
    const sinceMs = isAsked ? nowMs : resumeMs;
    if (this.#accepted === 0) {
      // Closed, not narrow: that tells no rate, and the time does not count for the next estimate.
      this.#sinceMs = sinceMs;
      return;
    }
    const spanMs = nowMs - this.#sinceMs;
    const canEstimate =
      (spanMs >= MIN_SPAN_MS && this.#accepted >= MIN_ACCEPTED) ||
      (spanMs >= LONG_SPAN_MS && this.#accepted >= 1);
    const guess = this.#accepted / Math.max(spanMs || 0, MIN_SPAN_MS);
    const seenPerMs = canEstimate ? this.#accepted / spanMs : Math.min(this.#perMs / 2, guess);
    this.#peakPerMs = Math.max(this.#peakPerMs, seenPerMs);
    this.#perMs = Math.min(this.#perMs, seenPerMs) * CAUTION;
    this.#accepted = 0;
    this.#sinceMs = sinceMs;
  }
}
