/** How much may go out at once after a pause. */
const BURST_MS = 1_000;

/**
 * Holds the mean speed below a cap by spacing out the starts: a browser cannot slow down a body that is
 * on its way. A file larger than a second's worth goes out at full speed, and the next one waits for it.
 * Pure: time comes in.
 */
export class BandwidthCap {
  #bytesPerMs = Number.POSITIVE_INFINITY;
  #allowance = 0;
  #atMs = 0;

  /** @param bytesPerSecond null for no cap */
  set(bytesPerSecond: number | null, nowMs: number): void {
    this.#bytesPerMs = bytesPerSecond === null ? Number.POSITIVE_INFINITY : bytesPerSecond / 1_000;
    this.#allowance = 0;
    this.#atMs = nowMs;
  }

  /** Milliseconds until the next file may start; 0 for now. */
  waitMs(nowMs: number): number {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return 0;
    this.#refill(nowMs);
    return this.#allowance >= 0 ? 0 : -this.#allowance / this.#bytesPerMs;
  }

  started(bytes: number, nowMs: number): void {
    if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return;
    this.#refill(nowMs);
    this.#allowance -= bytes;
  }

  #refill(nowMs: number): void {
    const earned = (nowMs - this.#atMs) * this.#bytesPerMs;
    this.#allowance = Math.min(this.#allowance + earned, this.#bytesPerMs * BURST_MS);
    this.#atMs = nowMs;
  }
}
