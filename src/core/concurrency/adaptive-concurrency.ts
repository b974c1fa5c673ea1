/** What the search for the best concurrency is bounded by. */
export interface AdaptiveConcurrencyOptions {
  /** Requests at once at the beginning. Default 4. */
  readonly initial?: number;
  /** Default 1. */
  readonly min?: number;
  /** What the adapter allows: 6 on HTTP/1.1, more on HTTP/2. */
  readonly max: number;
}

/** Shortest and longest time over which goodput is measured. */
const MIN_EPOCH_MS = 1_000;
const MAX_EPOCH_MS = 10_000;
/** Requests that should end within an epoch, for each slot: fewer tell more of chance than of speed. */
const EPOCH_REQUESTS_PER_SLOT = 3;
/** A doubling at the start must bring so much to be followed by another. */
const STARTUP_GROWTH = 1.25;
/** A step up must bring this share of what perfect scaling would. */
const UP_SHARE = 0.15;
/** A step down may cost so little. */
const DOWN_LOSS = 0.02;
/** Epochs between probes; doubles while probes do not pay. */
const FIRST_REST_EPOCHS = 2;
const LONGEST_REST_EPOCHS = 12;
/** Goodput that moved so much without a probe: the network is another one now. */
const SHIFT = 0.3;
/** After a change, so many request times pass before measuring: older requests have ended then. */
const SETTLE_REQUESTS = 1.3;
/** A request's own cost, in bytes: small files are limited by requests, not by bytes. */
const REQUEST_BYTES = 8_192;
/** Signals this close to the last one belong to the same event. */
const REACTION_MS = 1_000;

type Phase =
  | { readonly name: 'startup'; readonly from: number; readonly goodput: number }
  | { readonly name: 'rest'; readonly epochsLeft: number; readonly goodput: number }
  | { readonly name: 'probe'; readonly from: number; readonly goodput: number };

/**
 * How many requests at once are worth it. Goodput steers: the limit doubles while that pays, then it
 * is probed up and down, and a step is kept only if it paid. Throttling and congestion brake.
 * Pure: time comes in.
 */
export class AdaptiveConcurrency {
  readonly #min: number;
  readonly #max: number;
  #limit: number;
  #phase: Phase = { name: 'startup', from: 0, goodput: 0 };
  #restEpochs = FIRST_REST_EPOCHS;
  #goesUp = true;
  #epochStartMs = Number.NEGATIVE_INFINITY;
  #epochWork = 0;
  #epochEnds = 0;
  #wasShort = false;
  #requestMs = 0;
  #reactedMs = Number.NEGATIVE_INFINITY;

  constructor({ initial = 4, min = 1, max }: AdaptiveConcurrencyOptions) {
    this.#min = min;
    this.#max = Math.max(min, max);
    this.#limit = this.#clamp(initial);
  }

  get limit(): number {
    return this.#limit;
  }

  /** Bytes arrived. */
  transferred(bytes: number): void {
    this.#epochWork += bytes;
  }

  /** A request succeeded after `durationMs`. */
  ended(durationMs: number): void {
    this.#epochWork += REQUEST_BYTES;
    this.#epochEnds += 1;
    this.#requestMs = this.#requestMs === 0 ? durationMs : this.#requestMs * 0.8 + durationMs * 0.2;
  }

  /** There was a free slot and nothing to fill it: what is measured now says nothing about the limit. */
  starved(): void {
    this.#wasShort = true;
  }

  /** 429 or 503: the other side wants less. */
  throttled(nowMs: number): void {
    this.#brake(nowMs, 0.7);
  }

  /** Stalls, or failures in bursts: the way is clogged. */
  congested(nowMs: number): void {
    this.#brake(nowMs, 0.5);
  }

  /** Looks whether an epoch is over; call it when requests end, and about every second. */
  tick(nowMs: number): void {
    if (this.#epochStartMs === Number.NEGATIVE_INFINITY) this.#startEpoch(nowMs);
    const elapsedMs = nowMs - this.#epochStartMs;
    if (elapsedMs < MIN_EPOCH_MS) return;
    const perSlot = this.#phase.name === 'startup' ? 1 : EPOCH_REQUESTS_PER_SLOT;
    const hasEnough = this.#epochEnds >= this.#limit * perSlot;
    if (!hasEnough && elapsedMs < MAX_EPOCH_MS) return;
    const goodput = this.#epochWork / elapsedMs;
    const wasShort = this.#wasShort;
    this.#startEpoch(nowMs);
    if (!wasShort) this.#judge(goodput, nowMs);
  }

  #judge(goodput: number, nowMs: number): void {
    const phase = this.#phase;
    if (phase.name === 'startup') {
      const pays = goodput >= phase.goodput * STARTUP_GROWTH;
      if (pays && this.#limit < this.#max) {
        this.#phase = { name: 'startup', from: this.#limit, goodput };
        this.#setLimit(this.#limit * 2, nowMs);
        return;
      }
      const keeps = goodput >= phase.goodput * (1 + (STARTUP_GROWTH - 1) * UP_SHARE);
      if (!keeps && phase.from > 0) this.#setLimit(phase.from, nowMs);
      this.#goesUp = false;
      this.#rest(FIRST_REST_EPOCHS, keeps ? goodput : phase.goodput);
      return;
    }
    if (phase.name === 'rest') {
      const hasShifted = Math.abs(goodput - phase.goodput) > phase.goodput * SHIFT;
      if (hasShifted) this.#restEpochs = FIRST_REST_EPOCHS;
      if (phase.epochsLeft > 1 && !hasShifted) {
        const smoothed = phase.goodput * 0.6 + goodput * 0.4;
        this.#rest(phase.epochsLeft - 1, smoothed);
      } else {
        // Up first: a step up that does not pay is taken back, one down may look free for a while.
        if (hasShifted) this.#goesUp = true;
        this.#probe(goodput, nowMs);
      }
      return;
    }
    const { from } = phase;
    const isUp = this.#limit > from;
    const pays = isUp
      ? goodput >= phase.goodput * (1 + UP_SHARE * (this.#limit / from - 1))
      : goodput >= phase.goodput * (1 - DOWN_LOSS);
    if (pays) {
      this.#restEpochs = FIRST_REST_EPOCHS;
      // Down, the mark stays: many small losses must not add up to a large one.
      this.#probe(Math.max(goodput, phase.goodput), nowMs);
      return;
    }
    this.#setLimit(from, nowMs);
    this.#goesUp = !isUp;
    this.#restEpochs = Math.min(this.#restEpochs * 2, LONGEST_REST_EPOCHS);
    this.#rest(this.#restEpochs, phase.goodput);
  }

  #probe(goodput: number, nowMs: number): void {
    const step = Math.max(1, Math.round(this.#limit / 4));
    const up = this.#clamp(this.#limit + step);
    const down = this.#clamp(this.#limit - step);
    const target = this.#goesUp ? up : down;
    if (target === this.#limit) {
      this.#goesUp = !this.#goesUp;
      this.#rest(this.#restEpochs, goodput);
      return;
    }
    this.#phase = { name: 'probe', from: this.#limit, goodput };
    this.#setLimit(target, nowMs);
  }

  #rest(epochsLeft: number, goodput: number): void {
    this.#phase = { name: 'rest', epochsLeft, goodput };
  }

  #brake(nowMs: number, factor: number): void {
    if (nowMs - this.#reactedMs < REACTION_MS) return;
    this.#reactedMs = nowMs;
    this.#setLimit(Math.floor(this.#limit * factor), nowMs);
    this.#goesUp = true;
    this.#rest(FIRST_REST_EPOCHS, 0);
  }

  #setLimit(limit: number, nowMs: number): void {
    this.#limit = this.#clamp(limit);
    // What is under way was started at the old limit: it does not count for the new one.
    this.#startEpoch(nowMs + Math.min(this.#requestMs * SETTLE_REQUESTS, MAX_EPOCH_MS));
  }

  #startEpoch(atMs: number): void {
    this.#epochStartMs = atMs;
    this.#epochWork = 0;
    this.#epochEnds = 0;
    this.#wasShort = false;
  }

  #clamp(limit: number): number {
    return Math.min(Math.max(Math.round(limit), this.#min), this.#max);
  }
}
