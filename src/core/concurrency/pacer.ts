/** Share of the accepted rate that is used after a 429. */
const CAUTION = 0.95;
/** How much each success raises the rate: about 400 requests from {@link CAUTION} to the limit. */
const RAISE_PER_SUCCESS = 1.000_15;
/** Too little to estimate a rate from. */
const MIN_SPAN_MS = 1_000;
const MIN_ACCEPTED = 5;
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
    this.#perMs *= RAISE_PER_SUCCESS;
    if (this.#perMs > this.#peakPerMs * FORGET_FACTOR) this.#perMs = Number.POSITIVE_INFINITY;
  }

  /** @param resumeMs when the lane may go on, as the other side asked */
  throttled(nowMs: number, resumeMs: number): void {
    // Requests under way together are refused together: that is one refusal.
    const isSameEvent = nowMs < this.#throttledMs;
    this.#throttledMs = Math.max(this.#throttledMs, resumeMs);
    this.#nextStartMs = Math.max(this.#nextStartMs, resumeMs);
    if (isSameEvent) return;
    const spanMs = nowMs - this.#sinceMs;
    const canEstimate = spanMs >= MIN_SPAN_MS && this.#accepted >= MIN_ACCEPTED;
    const seenPerMs = canEstimate ? this.#accepted / spanMs : this.#perMs / 2;
    this.#peakPerMs = Math.max(this.#peakPerMs, Number.isFinite(seenPerMs) ? seenPerMs : 0);
    this.#perMs = Math.min(this.#perMs * CAUTION, seenPerMs * CAUTION);
    if (!Number.isFinite(this.#perMs)) this.#perMs = 1 / MIN_SPAN_MS;
    this.#accepted = 0;
    this.#sinceMs = nowMs;
  }
}
