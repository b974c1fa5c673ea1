import TinyQueue from 'tinyqueue';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';

interface Delayed {
  readonly id: string;
  readonly isUrgent: boolean;
  readonly dueMs: number;
}

/** First in, first out, O(1) at both ends, without moving what waits. */
class Fifo {
  #items: string[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(id: string): void {
    this.#items.push(id);
  }

  take(): string | undefined {
    const id = this.#items[this.#head];
    if (id === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return id;
  }
}

/**
 * The ids that wait for one stage: urgent ones first, then in order; those that back off join when
 * they are due. A waiting row costs its id here and nothing else.
 */
export class RowQueue {
  readonly #runtime: Runtime;
  readonly #onDue: () => void;
  readonly #urgent = new Fifo();
  readonly #normal = new Fifo();
  readonly #delayed = new TinyQueue<Delayed>([], (a, b) => a.dueMs - b.dueMs);
  #timer: TimerHandle | undefined;

  /** @param onDue called when a delayed row can be taken */
  constructor(runtime: Runtime, onDue: () => void) {
    this.#runtime = runtime;
    this.#onDue = onDue;
  }

  /** Rows that can be taken now. */
  get size(): number {
    return this.#urgent.size + this.#normal.size;
  }

  /** Rows that wait, those that back off included. */
  get total(): number {
    return this.size + this.#delayed.length;
  }

  push(id: string, isUrgent = false, delayMs = 0): void {
    if (delayMs > 0) {
      this.#delayed.push({ id, isUrgent, dueMs: this.#runtime.now() + delayMs });
      this.#arm();
    } else {
      (isUrgent ? this.#urgent : this.#normal).push(id);
    }
  }

  take(): string | undefined {
    return this.#urgent.take() ?? this.#normal.take();
  }

  /** Stops the timer; the queue is not used again. */
  dispose(): void {
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
  }

  #arm(): void {
    const next = this.#delayed.peek();
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
    if (next === undefined) return;
    const delayMs = Math.max(0, next.dueMs - this.#runtime.now());
    this.#timer = this.#runtime.setTimer(() => this.#release(), delayMs);
  }

  #release(): void {
    const nowMs = this.#runtime.now();
    for (
      let next = this.#delayed.peek();
      next && next.dueMs <= nowMs;
      next = this.#delayed.peek()
    ) {
      this.#delayed.pop();
      this.push(next.id, next.isUrgent);
    }
    this.#arm();
    this.#onDue();
  }
}
