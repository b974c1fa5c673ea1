import type { Brake } from './brake.ts';
import type { Emitter } from './emitter.ts';
import type { Ledger } from './ledger.ts';
import type { Pipeline } from './pipeline.ts';
import type { Retries } from './retries.ts';
import type { SnapshotFeed } from './snapshot-feed.ts';
import type { Snapshot } from './types.ts';

export interface WorkLoopParts {
  readonly brake: Brake;
  readonly emitter: Emitter;
  /** Aborted when the uploader is destroyed. */
  readonly signal: AbortSignal;
  readonly ledger: Ledger;
  readonly pipeline: Pipeline;
  readonly retries: Retries;
  readonly snapshots: SnapshotFeed;
}

/** Lets the pipeline look for work whenever something changed, and knows when nothing is left to do. */
export class WorkLoop {
  /** Nothing is begun before. */
  isStarted: boolean;
  readonly #parts: WorkLoopParts;
  readonly #waiters: ((snapshot: Snapshot) => void)[] = [];
  #isScheduled = false;
  #wasDrained = true;
  /** Intakes and restorations under way. */
  #intakes = 0;

  constructor(parts: WorkLoopParts, isStarted: boolean) {
    this.#parts = parts;
    this.isStarted = isStarted;
  }

  /** Nothing was left to do when it was last looked at. */
  get wasDrained(): boolean {
    return this.#wasDrained;
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
    const { brake, signal } = this.#parts;
    if (this.#isScheduled || signal.aborted) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (signal.aborted) return;
      if (this.#hasWork && this.isStarted && !brake.isOn) this.#parts.pipeline.pump();
      this.#checkDrained();
    });
  }

  /** Resolves when nothing is left to do, at once when that is so. */
  done(): Promise<Snapshot> {
    if (this.#isDrained) return Promise.resolve(this.#parts.snapshots.refresh());
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Tells whoever waits. */
  settle(snapshot: Snapshot): void {
    for (const resolve of this.#waiters.splice(0)) resolve(snapshot);
  }

  /** Whether anything is left to do, here or in the server. */
  get #hasWork(): boolean {
    const { ledger, pipeline, retries } = this.#parts;
    return ledger.unfinished > 0 || pipeline.tracker.pendingCount > 0 || retries.asking > 0;
  }

  get #isDrained(): boolean {
    return !this.#hasWork && this.#intakes === 0;
  }

  #checkDrained(): void {
    const { emitter, pipeline, snapshots } = this.#parts;
    const isDrained = this.#isDrained;
    const isNew = isDrained && !this.#wasDrained;
    this.#wasDrained = isDrained;
    if (isNew) {
      pipeline.tracker.stop();
      emitter.emit({ type: 'uploads-drained' });
    }
    // Whoever asked while files were listed of which none had to be sent waits as well.
    if (isDrained && (isNew || this.#waiters.length > 0)) this.settle(snapshots.refresh());
  }
}
