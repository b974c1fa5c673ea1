/** How far back speed looks. */
const WINDOW_MS = 8_000;
const SAMPLE_EVERY_MS = 250;

/** Bytes (or files) per second over the last seconds. Pure: time comes in. */
export class GoodputMeter {
  #samples: { readonly atMs: number; readonly total: number }[] = [];
  #total = 0;

  add(amount: number, nowMs: number): void {
    this.#total += amount;
    const last = this.#samples.at(-1);
    if (last && nowMs - last.atMs < SAMPLE_EVERY_MS) return;
    this.#samples.push({ atMs: nowMs, total: this.#total });
    while ((this.#samples[0]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#samples.shift();
  }

  /** 0 when nothing was added within the window. */
  perSecond(nowMs: number): number {
    const first = this.#samples.find((sample) => sample.atMs >= nowMs - WINDOW_MS);
    if (!first) return 0;
    const spanMs = Math.max(nowMs - first.atMs, SAMPLE_EVERY_MS);
    return Math.max(0, ((this.#total - first.total) * 1_000) / spanMs);
  }
}
