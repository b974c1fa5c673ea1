import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { Snapshot } from './types.ts';

/** How often subscribers are told, at most. */
const EVERY_MS = 100;

/** The current snapshot, and those who want to know of a new one. Changes are coalesced. */
export class SnapshotFeed {
  readonly #runtime: Runtime;
  readonly #take: () => Snapshot;
  readonly #listeners = new Set<() => void>();
  #timer: TimerHandle | undefined;
  #isDisposed = false;
  #current: Snapshot;

  /** @param take makes the snapshot of this moment */
  constructor(runtime: Runtime, take: () => Snapshot) {
    this.#runtime = runtime;
    this.#take = take;
    this.#current = take();
  }

  get current(): Snapshot {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something changed: a new snapshot soon. */
  changed(): void {
    if (this.#isDisposed) return;
    this.#timer ??= this.#runtime.setTimer(() => this.refresh(), EVERY_MS);
  }

  /** Takes a new snapshot now and tells whoever subscribed. */
  refresh(): Snapshot {
    this.#disarm();
    this.#current = this.#take();
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#runtime.reportError(error);
      }
    }
    // Speed falls and waits end without an event.
    if (this.#current.state === 'running' || this.#current.state === 'waiting') this.changed();
    return this.#current;
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#disarm();
    this.#listeners.clear();
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
