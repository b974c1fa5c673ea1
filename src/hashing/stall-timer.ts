import type { Runtime, TimerHandle } from '../runtime/runtime.ts';

/** A timer that is so late was held back: the page slept, was frozen or is hidden. */
const LATE_MS = 1_000;

/**
 * Calls back when nothing moved for so long. After a timer that was held back itself it waits once
 * more: what it waits for was held back as well.
 */
export class StallTimer {
  readonly #runtime: Runtime;
  readonly #limitMs: number;
  readonly #onStall: () => void;
  #timer: TimerHandle | undefined;

  constructor(runtime: Runtime, limitMs: number, onStall: () => void) {
    this.#runtime = runtime;
    this.#limitMs = limitMs;
    this.#onStall = onStall;
  }

  /** Something moved, or something is waited for from now on. */
  restart(): void {
    this.#wait(true);
  }

  stop(): void {
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #wait(hasSecondChance: boolean): void {
    this.stop();
    const dueMs = this.#runtime.now() + this.#limitMs;
    this.#timer = this.#runtime.setTimer(() => {
      this.#timer = undefined;
      const isLate = this.#runtime.now() - dueMs > LATE_MS;
      if (isLate && hasSecondChance) this.#wait(false);
      else this.#onStall();
    }, this.#limitMs);
  }
}
