import type { Brake } from './brake.ts';
import type { Emitter } from './emitter.ts';
import type { Snapshot } from './types.ts';

export interface WorkLoopParts {
  readonly brake: Brake;
  readonly emitter: Emitter;
  /** Aborted when the uploader is destroyed. */
  readonly signal: AbortSignal;
  readonly isStarted: boolean;
  /** Whether anything is left to do, here or in the server. */
  readonly hasWork: () => boolean;
  readonly pump: () => void;
  readonly onDrained: () => void;
  /** Takes the snapshot of this moment. */
  readonly refresh: () => Snapshot;
}

/** Lets the pipeline look for work whenever something changed, and knows when nothing is left to do. */
export class WorkLoop {
  readonly #parts: WorkLoopParts;
  readonly #waiters: ((snapshot: Snapshot) => void)[] = [];
  #isStarted: boolean;
  #isScheduled = false;
  #wasDrained = true;
  /** Intakes and restorations under way. */
  #intakes = 0;

  constructor(parts: WorkLoopParts) {
    this.#parts = parts;
    this.#isStarted = parts.isStarted;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Nothing was left to do when it was last looked at. */
  get wasDrained(): boolean {
    return this.#wasDrained;
  }

  start(): void {
    this.#isStarted = true;
  }

  /** Nothing counts as finished until the returned function is called. */
  begin(): () => void {
    this.#intakes += 1;
    return () => {
      this.#intakes -= 1;
      this.wake();
    };
  }

  wake(): void {
    const { brake, signal, hasWork, pump } = this.#parts;
    if (this.#isScheduled || signal.aborted) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (signal.aborted) return;
      if (hasWork() && this.#isStarted && !brake.isOn) pump();
      this.#checkDrained();
    });
  }

  /** Resolves when nothing is left to do, at once when that is so. */
  done(): Promise<Snapshot> {
    if (this.#isDrained) return Promise.resolve(this.#parts.refresh());
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Tells whoever waits. */
  settle(snapshot: Snapshot): void {
    for (const resolve of this.#waiters.splice(0)) resolve(snapshot);
  }

  get #isDrained(): boolean {
    return !this.#parts.hasWork() && this.#intakes === 0;
  }

  #checkDrained(): void {
    const { emitter, onDrained, refresh } = this.#parts;
    const isDrained = this.#isDrained;
    const isNew = isDrained && !this.#wasDrained;
    this.#wasDrained = isDrained;
    if (isNew) {
      onDrained();
      emitter.emit({ type: 'uploads-drained' });
    }
    // Whoever asked while files were listed of which none had to be sent waits as well.
    if (isDrained && (isNew || this.#waiters.length > 0)) this.settle(refresh());
  }
}
