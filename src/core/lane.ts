import PQueue from 'p-queue';
import type { UploadError } from '../errors/upload-error.ts';
import { backoffMs } from '../retry/backoff.ts';
import { Breaker } from '../retry/breaker.ts';
import { RetryBudget } from '../retry/retry-budget.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import { AdaptiveConcurrency } from './concurrency/adaptive-concurrency.ts';
import { Pacer } from './concurrency/pacer.ts';
import type { WaitReason } from './types.ts';

export interface LaneOptions {
  readonly name: string;
  /** Tasks at once: a number, or what is worth it, up to `max`. */
  readonly concurrency: number | { readonly max: number };
  /** Failures in a row of the other side after which the lane pauses. */
  readonly breakerThreshold: number;
  readonly runtime: Runtime;
  /** The lane may have room again. */
  readonly onWake: () => void;
  readonly onWait?: (wait: WaitReason) => void;
}

/** What proxies answer when the other side is away: no file is the reason for that. */
const GATEWAY_STATUSES: ReadonlySet<number> = new Set([502, 504]);
/** A second refills what a token bucket usually holds; longer, and its rate would seem lower than it is. */
const PACED_HOLD_MS = 1_000;
/** One request a minute is no burden, and an outage that answers 503 is over some time. */
const LONGEST_UNASKED_HOLD_MS = 60_000;
/** Failures within this time, more than half of what ended: the way is clogged. */
const BURST_WINDOW_MS = 2_000;
const BURST_FAILURES = 4;

/**
 * A bounded lane to one other side (the API, the store, the disk). Work enters only when it has a
 * slot, so nothing waits here as a promise. A rate limit or an outage holds the whole lane and costs
 * no upload an attempt.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #queue: PQueue;
  readonly #adaptive: AdaptiveConcurrency | undefined;
  #pacer = new Pacer();
  readonly #breaker: Breaker;
  readonly #budget = new RetryBudget();
  readonly #stopWatching: () => void;
  #holdUntilMs = 0;
  #throttles = 0;
  #lastKind: 'network' | 'server' = 'network';
  #failedProbes = 0;
  #hasEverSucceeded = false;
  /** What failed since the last success: one bad file is no outage, however often it is tried. */
  readonly #suspects = new Set<string>();
  #burst = { sinceMs: 0, failures: 0, successes: 0 };
  #timer: TimerHandle | undefined;
  #timerDueMs = Number.POSITIVE_INFINITY;

  constructor(options: LaneOptions) {
    const { concurrency, runtime, onWake } = options;
    this.#options = options;
    this.#adaptive =
      typeof concurrency === 'number'
        ? undefined
        : new AdaptiveConcurrency({ max: concurrency.max });
    this.#queue = new PQueue({ concurrency: this.#limit() });
    this.#breaker = new Breaker(options.breakerThreshold);
    this.#stopWatching = runtime.onConnectivityChange(() => {
      if (!runtime.isOnline()) return;
      this.#breaker.probeNow(runtime.now());
      onWake();
    });
  }

  /** Tasks under way. */
  get active(): number {
    return this.#queue.pending + this.#queue.size;
  }

  /** Tasks at once, as things stand. */
  get concurrency(): number {
    return this.#queue.concurrency;
  }

  /** Probes in a row that an open breaker let through in vain. */
  get failedProbes(): number {
    return this.#failedProbes;
  }

  /** Whether the other side ever answered as it should. */
  get hasEverSucceeded(): boolean {
    return this.#hasEverSucceeded;
  }

  /** Slots that may be filled now: none while the lane waits, one while it probes or is paced. */
  free(): number {
    const nowMs = this.#options.runtime.now();
    const resumeMs = Math.max(this.#holdUntilMs, this.#pacer.nextStartMs);
    if (nowMs < resumeMs) {
      // Only where a slot stands free is the pace what holds the lane back, and not its limit.
      if (this.active < this.#queue.concurrency) this.#adaptive?.starved();
      this.#wakeAt(resumeMs);
      return 0;
    }
    const state = this.#breaker.state(nowMs);
    if (state === 'open') {
      this.#wakeAt(this.#breaker.untilMs);
      return 0;
    }
    const free = (state === 'half-open' ? 1 : this.#queue.concurrency) - this.active;
    const isPaced = Number.isFinite(this.#pacer.ratePerSecond);
    return Math.max(0, isPaced ? Math.min(free, 1) : free);
  }

  /** There are free slots and nothing to fill them. */
  starved(): void {
    this.#adaptive?.starved();
  }

  /** Runs `task` in a slot. It must not reject. */
  run(task: () => Promise<void>): void {
    const { runtime, onWake } = this.#options;
    this.#pacer.started(runtime.now());
    void this.#queue
      .add(task)
      .catch((error: unknown) => runtime.reportError(error))
      .finally(() => {
        this.#tick();
        onWake();
      });
  }

  /** Bytes of a task went out. */
  transferred(bytes: number): void {
    this.#adaptive?.transferred(bytes);
    this.#tick();
  }

  /** The other side answered as it should. */
  succeeded(durationMs?: number): void {
    this.#hasEverSucceeded = true;
    this.#suspects.clear();
    this.#failedProbes = 0;
    this.#breaker.succeeded();
    this.#budget.succeeded();
    this.#pacer.succeeded();
    this.#throttles = 0;
    this.#burst.successes += 1;
    if (durationMs !== undefined) this.#adaptive?.ended(durationMs);
  }

  /**
   * The other side failed.
   *
   * @param subject what was asked for: an answer of 5xx to the same subject again says nothing new,
   *   unless a gateway gives it
   * @returns whether this costs the upload an attempt
   */
  failed(error: UploadError, subject?: string): boolean {
    const { runtime } = this.#options;
    const nowMs = runtime.now();
    if (error.action === 'throttle') {
      this.#throttle(error, nowMs);
      return false;
    }
    const isOutage =
      error.action === 'transient' && (error.kind === 'network' || error.kind === 'server');
    if (!isOutage) {
      // It answered, if not as hoped: the way is open.
      this.#breaker.succeeded();
      return true;
    }
    this.#lastKind = error.kind === 'server' ? 'server' : 'network';
    this.#countBurst(error, nowMs);
    const isSuspect = error.kind === 'server' && !GATEWAY_STATUSES.has(error.status ?? 0);
    const isKnown = isSuspect && subject !== undefined && this.#isKnownSuspect(subject);
    const isProbe = this.#breaker.state(nowMs) === 'half-open';
    if (isKnown && !isProbe) return true;
    if (isProbe) this.#failedProbes += 1;
    let costsAttempt = this.#breaker.failed(nowMs, runtime.random());
    // The browser knows that it is offline, or the lane retries too much already: no need to count
    // up to the threshold.
    const mustPause = costsAttempt && (!runtime.isOnline() || !this.#budget.take());
    while (mustPause && costsAttempt) costsAttempt = this.#breaker.failed(nowMs, runtime.random());
    if (!costsAttempt) this.#announce();
    // A probe that fails prolongs the pause, whoever made it, but the suspect pays for it.
    return costsAttempt || isKnown;
  }

  /** Why nothing is sent just now; null when the lane runs. */
  wait(): WaitReason | null {
    const { runtime } = this.#options;
    const nowMs = runtime.now();
    const toEpoch = (ms: number) => runtime.epochNow() + ms - nowMs;
    if (nowMs < this.#holdUntilMs) {
      return { kind: 'rate_limit', untilMs: toEpoch(this.#holdUntilMs) };
    }
    // While the probe is out the other side is still in doubt: the message must not flicker.
    if (this.#breaker.state(nowMs) === 'closed') return null;
    return { kind: this.#lastKind, untilMs: toEpoch(Math.max(nowMs, this.#breaker.untilMs)) };
  }

  /** A person wants it now: forget what was waited for. */
  reset(): void {
    this.#breaker.succeeded();
    this.#pacer = new Pacer();
    this.#failedProbes = 0;
  }

  dispose(): void {
    this.#stopWatching();
    if (this.#timer !== undefined) this.#options.runtime.clearTimer(this.#timer);
  }

  #isKnownSuspect(subject: string): boolean {
    if (this.#suspects.has(subject)) return true;
    this.#suspects.add(subject);
    return false;
  }

  #limit(): number {
    const { concurrency } = this.#options;
    return this.#adaptive?.limit ?? (typeof concurrency === 'number' ? concurrency : 1);
  }

  #tick(): void {
    if (!this.#adaptive) return;
    this.#adaptive.tick(this.#options.runtime.now());
    if (this.#queue.concurrency !== this.#adaptive.limit) {
      this.#queue.concurrency = this.#adaptive.limit;
    }
  }

  #throttle(error: UploadError, nowMs: number): void {
    const { runtime } = this.#options;
    // Requests under way together are refused together: that is one refusal.
    if (nowMs >= this.#holdUntilMs) this.#throttles += 1;
    const asked = error.retryAfterMs ?? this.#unaskedHoldMs(error);
    // Up to a second of jitter on top, so that many tabs do not come back as one.
    const untilMs = nowMs + asked + runtime.random() * Math.min(1_000, asked / 4 + 100);
    this.#holdUntilMs = Math.max(this.#holdUntilMs, untilMs);
    // A 503 is an outage with good manners: it says when to come back, not how fast.
    if (error.kind === 'rate_limit') {
      this.#pacer.throttled(nowMs, this.#holdUntilMs, error.retryAfterMs !== undefined);
    }
    this.#adaptive?.throttled(nowMs);
    this.#tick();
    this.#announce();
  }

  /** How long to wait when the other side did not say: little where its rate is known and just met. */
  #unaskedHoldMs(error: UploadError): number {
    const isPaced = Number.isFinite(this.#pacer.ratePerSecond);
    if (isPaced && this.#throttles <= 1) return PACED_HOLD_MS;
    return Math.min(backoffMs(this.#throttles, error.kind, 1), LONGEST_UNASKED_HOLD_MS);
  }

  #countBurst(error: UploadError, nowMs: number): void {
    if (nowMs - this.#burst.sinceMs > BURST_WINDOW_MS) {
      this.#burst = { sinceMs: nowMs, failures: 0, successes: 0 };
    }
    this.#burst.failures += 1;
    const { failures, successes } = this.#burst;
    const isBurst = failures >= BURST_FAILURES && failures > successes;
    if (error.code === 'stalled' || isBurst) {
      this.#adaptive?.congested(nowMs);
      this.#tick();
    }
  }

  #announce(): void {
    const wait = this.wait();
    if (wait === null) return;
    const { runtime, onWait } = this.#options;
    this.#wakeAt(runtime.now() + Math.max(0, wait.untilMs - runtime.epochNow()));
    onWait?.(wait);
  }

  #wakeAt(dueMs: number): void {
    const { runtime, onWake } = this.#options;
    if (this.#timer !== undefined && this.#timerDueMs === dueMs) return;
    if (this.#timer !== undefined) runtime.clearTimer(this.#timer);
    this.#timerDueMs = dueMs;
    this.#timer = runtime.setTimer(
      () => {
        this.#timer = undefined;
        onWake();
      },
      Math.ceil(Math.max(0, dueMs - runtime.now())) + 1,
    );
  }
}
