/** First pause of an open breaker; it doubles with each failed probe. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Circuit breaker of one lane. After `threshold` failures in a row it opens: nothing is sent for a
 * while, then one probe is; its success closes the breaker, its failure doubles the pause. An outage
 * so pauses the lane instead of failing the files in it. Pure: time and chance come in.
 */
export class Breaker {
  readonly #threshold: number;
  #failures = 0;
  #state: BreakerState = 'closed';
  #pauseMs = FIRST_PAUSE_MS;
  #untilMs = 0;

  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /** `open` turns into `half-open` when its pause is over. */
  state(nowMs: number): BreakerState {
    if (this.#state === 'open' && nowMs >= this.#untilMs) this.#state = 'half-open';
    return this.#state;
  }

  /** When an open breaker lets the next probe through. */
  get untilMs(): number {
    return this.#untilMs;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#state = 'closed';
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  /**
   * Counts a failure that speaks of the other side, not of the file.
   *
   * @returns whether it costs the upload an attempt: not when the breaker is (now) open
   */
  failed(nowMs: number, random: number): boolean {
    const state = this.state(nowMs);
    if (state === 'open') return false;
    this.#failures += 1;
    if (state === 'closed' && this.#failures < this.#threshold) return true;
    if (state === 'half-open') this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    this.#state = 'open';
    // Between half and all of the pause: many clients that lost one server do not return as one.
    this.#untilMs = nowMs + this.#pauseMs * (0.5 + random / 2);
    return false;
  }

  /** The network is back: probe now. */
  probeNow(nowMs: number): void {
    if (this.#state !== 'open') return;
    this.#untilMs = nowMs;
    this.#pauseMs = FIRST_PAUSE_MS;
  }
}
