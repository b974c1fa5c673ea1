import type { Logger } from '../logging.ts';
import type { Latencies, Percentiles } from './latencies.ts';
import type { Stage } from './telemetry.ts';

const NAMES: Record<'upload' | Stage, string> = {
  upload: 'upload_latency',
  credentials: 'credentials',
  finalize: 'finalize',
  process: 'processing',
  embed: 'embedding',
};

export interface MetricsLogOptions {
  latencies: Pick<Latencies<'upload' | Stage>, 'read' | 'observed'>;
  logger: Logger;
  /** Default 1 min. */
  intervalMs?: number | undefined;
}

/** One line now and then, such as `[Metrics] upload_latency_p95=450ms finalize_p95=32ms`; silent while idle. */
export function startMetricsLog({ latencies, logger, intervalMs = 60_000 }: MetricsLogOptions): {
  close(): void;
} {
  let lastObserved = 0;
  const write = async () => {
    if (latencies.observed === lastObserved) return;
    lastObserved = latencies.observed;
    const known = Object.entries(await latencies.read()) as ['upload' | Stage, Percentiles][];
    const seen = known.filter(([, { count }]) => count > 0);
    const words = seen.map(([name, { p95Ms }]) => `${NAMES[name]}_p95=${Math.round(p95Ms ?? 0)}ms`);
    const fields = Object.fromEntries(
      seen.flatMap(([name, { count, p50Ms, p95Ms, p99Ms }]) => [
        [`${NAMES[name]}_count`, count],
        [`${NAMES[name]}_p50_ms`, p50Ms],
        [`${NAMES[name]}_p95_ms`, p95Ms],
        [`${NAMES[name]}_p99_ms`, p99Ms],
      ]),
    );
    logger.info(fields, `[Metrics] ${words.join(' ')}`);
  };
  const timer = setInterval(() => void write(), intervalMs).unref();
  return { close: () => clearInterval(timer) };
}
