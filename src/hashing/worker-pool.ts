import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { HashMode } from './hasher.ts';
import { WorkerChannel } from './worker-channel.ts';

export interface WorkerPoolOptions {
  readonly runtime: Runtime;
  /** May throw where workers are forbidden. */
  readonly startWorker: () => Worker;
  /** At once. */
  readonly maxWorkers: number;
}

/** How long files wait for the first worker before the page hashes them. */
const START_MS = 5_000;
/** Workers without a file are ended after so long. */
const IDLE_MS = 30_000;
/** So many lost workers are replaced. */
const MAX_REPLACED = 3;

/** Starts workers when there is work, replaces lost ones, ends idle ones. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #channels = new Set<WorkerChannel>();
  readonly #waiting = new Set<() => void>();
  #hasEverRun = false;
  #isBlocked = false;
  #lost = 0;
  /** The latest start. */
  #startedMs = 0;
  #idleSinceMs = 0;
  #idleTimer: TimerHandle | undefined;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  get status(): HashMode['worker'] {
    if (this.#isBlocked) return 'blocked';
    if (this.#leastBusy()) return 'running';
    if (this.#channels.size > 0) return 'starting';
    return this.#mayStart ? 'unused' : 'given-up';
  }

  /** Workers that crashed or fell silent. */
  get lost(): number {
    return this.#lost;
  }

  /** The worker with least to do, if one runs already. Starts what is missing. */
  pick(): WorkerChannel | undefined {
    const ready = this.#leastBusy();
    if (!ready || ready.jobs > 0) this.#startOne();
    return ready;
  }

  /**
   * The same, but waits a few seconds for one that is starting.
   *
   * @returns undefined when there is none: hash in the page
   * @throws the signal's reason
   */
  async whenReady(signal: AbortSignal): Promise<WorkerChannel | undefined> {
    for (;;) {
      signal.throwIfAborted();
      const ready = this.pick();
      const leftMs = this.#startedMs + START_MS - this.#options.runtime.now();
      if (ready || this.#channels.size === 0 || leftMs <= 0) return ready;
      await this.#change(leftMs, signal);
    }
  }

  /** Ends all workers. */
  dispose(): void {
    if (this.#idleTimer !== undefined) this.#options.runtime.clearTimer(this.#idleTimer);
    this.#idleTimer = undefined;
    for (const channel of this.#channels) channel.end();
    this.#channels.clear();
    this.#wake();
  }

  get #mayStart(): boolean {
    return !this.#isBlocked && this.#lost <= MAX_REPLACED;
  }

  #leastBusy(): WorkerChannel | undefined {
    let least: WorkerChannel | undefined;
    for (const channel of this.#channels) {
      if (!channel.isReady) continue;
      if (!least || channel.loadBytes < least.loadBytes) least = channel;
    }
    return least;
  }

  #startOne(): void {
    const { runtime, startWorker, maxWorkers } = this.#options;
    if (!this.#mayStart || this.#channels.size >= maxWorkers) return;
    for (const { isReady } of this.#channels) if (!isReady) return;
    let worker: Worker;
    try {
      worker = startWorker();
    } catch {
      // The content security policy, a page without an origin, a build without module URLs.
      this.#isBlocked = !this.#hasEverRun;
      return;
    }
    const channel = new WorkerChannel(worker, {
      runtime,
      onReady: () => {
        this.#hasEverRun = true;
        this.#endIdleLater();
        this.#wake();
      },
      onLost: () => {
        this.#channels.delete(channel);
        // A worker that never ran will not: its script is missing or forbidden.
        if (this.#hasEverRun) this.#lost += 1;
        else this.#isBlocked = true;
        this.#wake();
      },
      onIdle: () => this.#endIdleLater(),
    });
    this.#channels.add(channel);
    this.#startedMs = runtime.now();
  }

  /** Until a worker is ready or lost, or so long. */
  #change(limitMs: number, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#options;
    return new Promise((resolve) => {
      const end = () => {
        this.#waiting.delete(end);
        signal.removeEventListener('abort', end);
        runtime.clearTimer(timer);
        resolve();
      };
      const timer = runtime.setTimer(end, limitMs);
      signal.addEventListener('abort', end);
      this.#waiting.add(end);
    });
  }

  #wake(): void {
    for (const end of this.#waiting) end();
  }

  #endIdleLater(): void {
    this.#idleSinceMs = this.#options.runtime.now();
    this.#idleTimer ??= this.#options.runtime.setTimer(() => this.#endIdle(), IDLE_MS);
  }

  /** One timer for all: it looks whether there was work meanwhile. */
  #endIdle(): void {
    const { runtime } = this.#options;
    this.#idleTimer = undefined;
    if ([...this.#channels].some(({ jobs }) => jobs > 0)) return;
    const leftMs = this.#idleSinceMs + IDLE_MS - runtime.now();
    if (leftMs <= 0) this.dispose();
    else this.#idleTimer = runtime.setTimer(() => this.#endIdle(), leftMs);
  }
}
