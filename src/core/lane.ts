import PQueue from 'p-queue';
import type { UploadError } from '../errors/upload-error.ts';
import { backoffMs } from '../retry/backoff.ts';
import { Breaker } from '../retry/breaker.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { WaitReason } from './types.ts';

export interface LaneOptions {
  readonly concurrency: number;
  /** Failures in a row of the other side after which the lane pauses. */
  readonly breakerThreshold: number;
  readonly runtime: Runtime;
  /** The lane may have room again. */
  readonly onWake: () => void;
  readonly onWait?: (wait: WaitReason) => void;
}

/**
 * A bounded lane to one other side (the API, the store, the disk). Work enters only when it has a
 * slot, so nothing waits here as a promise. A rate limit or an outage holds the whole lane and costs
 * no upload an attempt.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #queue: PQueue;
  readonly #breaker: Breaker;
  readonly #stopWatching: () => void;
  #holdUntilMs = 0;
  #throttles = 0;
  #lastKind: 'network' | 'server' = 'network';
  #timer: TimerHandle | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.concurrency });
    this.#breaker = new Breaker(options.breakerThreshold);
    this.#stopWatching = options.runtime.onConnectivityChange(() => {
      if (!options.runtime.isOnline()) return;
      this.#breaker.probeNow(options.runtime.now());
      options.onWake();
    });
  }

  /** Tasks under way. */
  get active(): number {
    return this.#queue.pending + this.#queue.size;
  }

  get concurrency(): number {
    return this.#queue.concurrency;
  }

  /** Slots that may be filled now: none while the lane waits, one while it probes. */
  free(): number {
    const nowMs = this.#options.runtime.now();
    if (nowMs < this.#holdUntilMs) return 0;
    const state = this.#breaker.state(nowMs);
    if (state === 'open') return 0;
    const limit = state === 'half-open' ? 1 : this.#queue.concurrency;
    return Math.max(0, limit - this.active);
  }

  /** Runs `task` in a slot. It must not reject. */
  run(task: () => Promise<void>): void {
    void this.#queue
      .add(task)
      .catch((error: unknown) => this.#options.runtime.reportError(error))
      .finally(this.#options.onWake);
  }

  /** The other side answered as it should. */
  succeeded(): void {
    this.#breaker.succeeded();
    this.#throttles = 0;
  }

  /**
   * The other side failed.
   *
   * @returns whether this costs the upload an attempt
   */
  failed(error: UploadError): boolean {
    const { runtime } = this.#options;
    const nowMs = runtime.now();
    if (error.action === 'throttle' || error.code === 'unauthenticated') {
      this.#throttles += 1;
      const asked = error.retryAfterMs ?? backoffMs(this.#throttles, 'rate_limit', 1);
      // Up to a second of jitter on top, so that many tabs do not come back as one.
      const untilMs = nowMs + asked + runtime.random() * Math.min(1_000, asked / 4 + 100);
      this.#holdUntilMs = Math.max(this.#holdUntilMs, untilMs);
      this.#announce();
      return false;
    }
    const isOutage =
      error.action === 'transient' && (error.kind === 'network' || error.kind === 'server');
    if (!isOutage) {
      this.succeeded();
      return true;
    }
    this.#lastKind = error.kind === 'server' ? 'server' : 'network';
    let costsAttempt = this.#breaker.failed(nowMs, runtime.random());
    // The browser knows that it is offline: no need to count up to the threshold.
    while (costsAttempt && !runtime.isOnline()) {
      costsAttempt = this.#breaker.failed(nowMs, runtime.random());
    }
    if (!costsAttempt) this.#announce();
    return costsAttempt;
  }

  /** Why nothing is sent just now; null when the lane runs. */
  wait(): WaitReason | null {
    const { runtime } = this.#options;
    const nowMs = runtime.now();
    const toEpoch = (ms: number) => runtime.epochNow() + ms - nowMs;
    if (nowMs < this.#holdUntilMs) {
      return { kind: 'rate_limit', untilMs: toEpoch(this.#holdUntilMs) };
    }
    // While the probe is out the network is still in doubt: the message must not flicker.
    if (this.#breaker.state(nowMs) === 'closed') return null;
    return { kind: this.#lastKind, untilMs: toEpoch(Math.max(nowMs, this.#breaker.untilMs)) };
  }

  dispose(): void {
    this.#stopWatching();
    if (this.#timer !== undefined) this.#options.runtime.clearTimer(this.#timer);
  }

  #announce(): void {
    const { runtime, onWake, onWait } = this.#options;
    const wait = this.wait();
    if (wait === null) return;
    if (this.#timer !== undefined) runtime.clearTimer(this.#timer);
    const delayMs = Math.max(0, wait.untilMs - runtime.epochNow());
    this.#timer = runtime.setTimer(onWake, Math.ceil(delayMs) + 1);
    onWait?.(wait);
  }
}
