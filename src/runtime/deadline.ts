import type { Runtime, TimerHandle } from './runtime.ts';

/**
 * Calls back once when a moment is reached that is put off again and again. Putting it off costs nothing: the
 * timer that runs already looks, when it fires, how long it was put off.
 */
export class Deadline {
  readonly #runtime: Runtime;
  readonly #onDue: () => void;
  #dueMs = 0;
  #timer: TimerHandle | undefined;
  #timerDueMs = 0;

  constructor(runtime: Runtime, onDue: () => void) {
    this.#runtime = runtime;
    this.#onDue = onDue;
  }

  /** In so long from now, whatever was set before. */
  set(delayMs: number): void {
    this.#dueMs = this.#runtime.now() + delayMs;
    if (this.#timer !== undefined && this.#timerDueMs <= this.#dueMs) return;
    this.#arm(delayMs);
  }

  clear(): void {
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #arm(delayMs: number): void {
    this.clear();
    this.#timerDueMs = this.#dueMs;
    this.#timer = this.#runtime.setTimer(() => {
      this.#timer = undefined;
      const putOffMs = this.#dueMs - this.#timerDueMs;
      if (putOffMs > 0) this.#arm(putOffMs);
      else this.#onDue();
    }, delayMs);
  }
}
