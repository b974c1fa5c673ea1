import { SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import { nameFailure } from '../jobs/name-failure.ts';
import type { Logger } from '../logging.ts';
import { ProblemError } from '../problem-error.ts';
import { within } from '../within.ts';
import { createLatencies } from './latencies.ts';
import { createMetrics } from './metrics.ts';
import { startMetricsLog } from './metrics-log.ts';
import { createQueueDepthReader } from './queue-depths.ts';
import type { TelemetrySnapshot } from './snapshot.ts';
import type { Attributes, Outcome, Stage, Telemetry } from './telemetry.ts';
import { createWindowCounter } from './window-counter.ts';

const STAGES: readonly Stage[] = ['credentials', 'finalize', 'process', 'embed'];
const RATE_WINDOW_MS = 60_000;
const SNAPSHOT_TIMEOUT_MS = 3000;

export interface ServerTelemetryOptions {
  logger: Logger;
  /** For what is global: the depths of both queues, and connections. */
  database?: Pick<OpenDatabase, 'db' | 'engine'> | undefined;
  /** Default `Date.now`. */
  clock?: Clock | undefined;
  /** Spans go to it. Default: OpenTelemetry's, which does nothing until your process starts an SDK. */
  tracer?: Tracer | undefined;
  /** How often a line of the log says how it goes, while there is traffic. Default 1 min. */
  logIntervalMs?: number | undefined;
}

/** One process's telemetry, told by its parts and read by `GET /metrics` and `GET /api/telemetry`. */
export interface ServerTelemetry extends Telemetry {
  /** What Prometheus gets; nobody else's metrics are in it. */
  readonly registry: Registry;
  snapshot(): Promise<TelemetrySnapshot>;
  /** Ends the lines in the log. */
  close(): void;
}

export function createServerTelemetry(options: ServerTelemetryOptions): ServerTelemetry {
  const { database, logger, clock = Date.now } = options;
  const { tracer = trace.getTracer('@bulkhead/server') } = options;
  const startedMs = clock();
  const depths = database && createQueueDepthReader(database.db, clock);
  const metrics = createMetrics({ clock, database, depths, startedMs });
  const latencies = createLatencies(['upload', ...STAGES], clock);
  const minute = () => createWindowCounter(RATE_WINDOW_MS, clock);
  const rates = { uploaded: minute(), processed: minute(), embedded: minute(), failed: minute() };
  const failures = new Map<Stage, Map<string, number>>();
  const counts = { rateLimited: 0, streamsOpen: 0, streamsRefused: 0 };

  const fail = (stage: Stage, cause: string, count = 1) => {
    const causes = failures.get(stage) ?? new Map<string, number>();
    failures.set(stage, causes.set(cause, (causes.get(cause) ?? 0) + count));
    metrics.failures.inc({ stage, cause }, count);
    rates.failed.add(count);
  };

  const countFiles = (stage: Stage, outcome: Outcome, count = 1) => {
    if (count === 0) return;
    metrics.files.inc({ stage, outcome }, count);
    if (outcome !== 'done') return;
    if (stage === 'process') rates.processed.add(count);
    if (stage === 'embed') rates.embedded.add(count);
  };

  const log = startMetricsLog({ latencies, logger, intervalMs: options.logIntervalMs });

  return {
    registry: metrics.registry,

    time: (stage, attributes, work) =>
      tracer.startActiveSpan(
        `bulkhead.${stage}`,
        { attributes: prefixed(attributes) },
        async (span) => {
          const startedMs = performance.now();
          metrics.stageInProgress.inc({ stage });
          let outcome = 'ok';
          try {
            return await work((more) => span.setAttributes(prefixed(more)));
          } catch (error) {
            outcome = 'error';
            // Its message may hold names and addresses.
            const cause = error instanceof ProblemError ? error.code : nameFailure(error);
            span.setAttribute('error.type', cause);
            span.setStatus({ code: SpanStatusCode.ERROR });
            throw error;
          } finally {
            const seconds = (performance.now() - startedMs) / 1000;
            metrics.stageInProgress.dec({ stage });
            metrics.stageDuration.observe({ stage, outcome }, seconds);
            latencies.observe(stage, seconds);
            span.end();
          }
        },
      ),

    files: countFiles,
    failure: fail,

    uploaded(reservedAtMs) {
      const nowMs = clock();
      for (const atMs of reservedAtMs) {
        const seconds = Math.max(0, nowMs - atMs) / 1000;
        metrics.uploadLatency.observe(seconds);
        latencies.observe('upload', seconds);
      }
      rates.uploaded.add(reservedAtMs.length);
    },

    rateLimited() {
      counts.rateLimited++;
      metrics.rateLimited.inc();
    },

    answered({ method, route, status, seconds }) {
      metrics.requests.inc({ method, route, status });
      metrics.requestDuration.observe({ route }, seconds);
    },

    streamOpened(transport) {
      counts.streamsOpen++;
      metrics.streams.inc({ transport });
    },
    streamClosed(transport, reason) {
      counts.streamsOpen--;
      metrics.streams.dec({ transport });
      metrics.streamsClosed.inc({ transport, reason });
    },
    streamRefused(limit) {
      counts.streamsRefused++;
      metrics.streamsRefused.inc({ limit });
    },
    eventsSent: (count) => metrics.eventsSent.inc(count),

    async snapshot() {
      const queues = depths && within(SNAPSHOT_TIMEOUT_MS, depths.read()).catch(() => null);
      const perSecond = (total: number) => Math.round((total * 100_000) / RATE_WINDOW_MS) / 100;
      return {
        timestamp: new Date(clock()).toISOString(),
        process: {
          uptimeSeconds: Math.round((clock() - startedMs) / 1000),
          memoryBytes: process.memoryUsage.rss(),
        },
        latencies: await latencies.read(),
        ratesPerSecond: {
          uploaded: perSecond(rates.uploaded.total()),
          processed: perSecond(rates.processed.total()),
          embedded: perSecond(rates.embedded.total()),
          failed: perSecond(rates.failed.total()),
        },
        failures: Object.fromEntries(
          [...failures].map(([stage, causes]) => [stage, Object.fromEntries(causes)]),
        ),
        queues: (await queues) ?? null,
        rateLimited: counts.rateLimited,
        streams: { open: counts.streamsOpen, refused: counts.streamsRefused },
      };
    },

    close: log.close,
  };
}

function prefixed(attributes: Attributes): Attributes {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [`bulkhead.${name}`, value]),
  );
}
