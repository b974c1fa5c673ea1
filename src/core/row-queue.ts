import TinyQueue from 'tinyqueue';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { Priority, Upload } from './upload-state.ts';

/** Which upload goes first among those of one priority. */
export type Order = 'added' | 'smallest' | 'newest';

interface Waiting {
  size: number;
  push(upload: Upload): void;
  take(): string | undefined;
}

interface Delayed {
  readonly upload: Upload;
  readonly dueMs: number;
}

/** First in, first out, O(1) at both ends: a waiting row costs its id here and nothing else. */
class Fifo implements Waiting {
  #ids: string[] = [];
  #head = 0;

  get size(): number {
    return this.#ids.length - this.#head;
  }

  push({ id }: Upload): void {
    this.#ids.push(id);
  }

  take(): string | undefined {
    const id = this.#ids[this.#head];
    if (id === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#ids.length) {
      this.#ids = this.#ids.slice(this.#head);
      this.#head = 0;
    }
    return id;
  }
}

/** By a key, smallest first; O(log n). */
class Sorted implements Waiting {
  readonly #heap = new TinyQueue<{ readonly id: string; readonly key: number }>(
    [],
    (a, b) => a.key - b.key,
  );
  readonly #keyOf: (upload: Upload) => number;

  constructor(keyOf: (upload: Upload) => number) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#heap.length;
  }

  push(upload: Upload): void {
    this.#heap.push({ id: upload.id, key: this.#keyOf(upload) });
  }

  take(): string | undefined {
    return this.#heap.pop()?.id;
  }
}

function createWaiting(order: Order): Waiting {
  if (order === 'smallest') return new Sorted(({ sizeBytes }) => sizeBytes);
  if (order === 'newest') return new Sorted(({ lastModifiedMs }) => -lastModifiedMs);
  return new Fifo();
}

/**
 * The uploads that wait for one stage: by priority, then in order; those that back off join when they
 * are due. An id may stand here twice (after a boost): who takes it looks at the row.
 */
export class RowQueue {
  readonly #runtime: Runtime;
  readonly #onDue: () => void;
  readonly #waiting: Readonly<Record<Priority, Waiting>>;
  readonly #delayed = new TinyQueue<Delayed>([], (a, b) => a.dueMs - b.dueMs);
  #timer: TimerHandle | undefined;

  /** @param onDue called when a delayed upload can be taken */
  constructor(runtime: Runtime, onDue: () => void, order: Order = 'added') {
    this.#runtime = runtime;
    this.#onDue = onDue;
    this.#waiting = {
      urgent: createWaiting(order),
      normal: createWaiting(order),
      background: createWaiting(order),
    };
  }

  /** Uploads that can be taken now. */
  get size(): number {
    const { urgent, normal, background } = this.#waiting;
    return urgent.size + normal.size + background.size;
  }

  push(upload: Upload, delayMs = 0): void {
    if (delayMs > 0) {
      this.#delayed.push({ upload, dueMs: this.#runtime.now() + delayMs });
      this.#arm();
    } else {
      this.#waiting[upload.priority].push(upload);
    }
  }

  take(): string | undefined {
    const { urgent, normal, background } = this.#waiting;
    return urgent.take() ?? normal.take() ?? background.take();
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
      this.push(next.upload);
    }
    this.#arm();
    this.#onDue();
  }
}
