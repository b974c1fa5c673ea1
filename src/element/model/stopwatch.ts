/** Wall time that work took, over several spells: what the "done" line tells. */
export class Stopwatch {
  #elapsedMs = 0;
  #startedMs: number | undefined;

  /** Goes on or stands still; the same call twice changes nothing. */
  run(isRunning: boolean, nowMs: number = performance.now()): void {
    if (isRunning && this.#startedMs === undefined) this.#startedMs = nowMs;
    if (!isRunning && this.#startedMs !== undefined) {
      this.#elapsedMs += nowMs - this.#startedMs;
      this.#startedMs = undefined;
    }
  }

  seconds(nowMs: number = performance.now()): number {
    const runningMs = this.#startedMs === undefined ? 0 : nowMs - this.#startedMs;
    return (this.#elapsedMs + runningMs) / 1000;
  }
}
