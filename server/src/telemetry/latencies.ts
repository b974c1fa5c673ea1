import { Summary } from 'prom-client';
import type { Clock } from '../clock.ts';
import { createWindowCounter, type WindowCounter } from './window-counter.ts';

/** Percentiles speak of so long. */
export const LATENCY_WINDOW_SECONDS = 300;
/** The window moves on in steps of a fifth of it. */
const AGE_BUCKETS = 5;

/** Within the last five minutes; null where nothing was measured. */
export interface Percentiles {
  count: number;
  p50Ms: number | null;
  p95Ms: number | null;
  p99Ms: number | null;
}

/** Percentiles of what was measured of late, by name. */
export interface Latencies<Name extends string> {
  observe(name: Name, seconds: number): void;
  /** Everything ever observed. */
  readonly observed: number;
  read(): Promise<Record<Name, Percentiles>>;
}

/** The quantile is there, though the library's types do not say so. */
type Labels = { name?: unknown; quantile?: unknown };

const NOTHING: Percentiles = { count: 0, p50Ms: null, p95Ms: null, p99Ms: null };
const FIELDS = new Map([
  [0.5, 'p50Ms'],
  [0.95, 'p95Ms'],
  [0.99, 'p99Ms'],
] as const);

/** Estimated by t-digests, exact to a percent or so; memory does not grow with what is measured. */
export function createLatencies<Name extends string>(
  names: readonly Name[],
  clock: Clock,
): Latencies<Name> {
  const counts = new Map<Name, WindowCounter>(
    names.map((name) => [name, createWindowCounter(LATENCY_WINDOW_SECONDS * 1000, clock)]),
  );
  const summary = new Summary({
    // In no registry: Prometheus gets histograms, which can be added up over processes.
    registers: [],
    name: 'recent_seconds',
    help: 'Recent durations',
    labelNames: ['name'],
    percentiles: [...FIELDS.keys()],
    maxAgeSeconds: LATENCY_WINDOW_SECONDS,
    ageBuckets: AGE_BUCKETS,
    pruneAgedBuckets: true,
  });
  let observed = 0;
  return {
    get observed() {
      return observed;
    },
    observe(name, seconds) {
      observed++;
      counts.get(name)?.add(1);
      summary.observe({ name }, seconds);
    },
    async read() {
      const { values } = await summary.get();
      const entries = names.map((name) => {
        const percentiles: Percentiles = { ...NOTHING, count: counts.get(name)?.total() ?? 0 };
        for (const { labels, value } of values as { labels: Labels; value: number }[]) {
          const field = FIELDS.get(Number(labels.quantile) as 0.5);
          if (labels.name === name && field) percentiles[field] = Math.round(value * 10_000) / 10;
        }
        return [name, percentiles] as const;
      });
      return Object.fromEntries(entries) as Record<Name, Percentiles>;
    },
  };
}
