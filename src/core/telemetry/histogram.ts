/** Each bucket is 5 % wider than the one before: a percentile is off by at most that. */
const GROWTH = Math.log(1.05);

export interface Percentiles {
  readonly count: number;
  /** Milliseconds; 0 while nothing was measured. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Durations in logarithmic buckets: percentiles of any number of them in a few hundred integers. */
export class Histogram {
  readonly #buckets: number[] = [];
  #count = 0;
  #max = 0;

  add(durationMs: number): void {
    const bucket = Math.max(0, Math.round(Math.log(Math.max(durationMs, 1)) / GROWTH));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#max = Math.max(this.#max, durationMs);
  }

  percentiles(): Percentiles {
    const at = (share: number) => Math.min(this.#valueAt(share), this.#max);
    return { count: this.#count, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: this.#max };
  }

  #valueAt(share: number): number {
    if (this.#count === 0) return 0;
    let left = Math.ceil(this.#count * share);
    for (const [bucket, count = 0] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return Math.exp(bucket * GROWTH);
    }
    return this.#max;
  }
}
