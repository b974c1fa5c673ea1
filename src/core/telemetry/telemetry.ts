import type { FailureKind, UploadErrorCode } from '../../errors/upload-error.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { Histogram, type Percentiles } from './histogram.ts';

/** What is timed: the four steps of the client, the server's work, and the whole way. */
export const TELEMETRY_STAGES = [
  'hash',
  'credentials',
  'put',
  'finalize',
  'processing',
  'total',
] as const;
export type TelemetryStage = (typeof TELEMETRY_STAGES)[number];

/** One timed step, as a sink receives it: enough for an OpenTelemetry span. Plain data, no URLs. */
export interface TelemetrySpan {
  readonly type: 'span';
  readonly stage: TelemetryStage;
  /** The upload; null for a request that carries many (`files` says how many). */
  readonly uploadId: string | null;
  /** Wall clock, milliseconds. */
  readonly startEpochMs: number;
  readonly durationMs: number;
  readonly outcome: 'ok' | 'failed';
  readonly code?: UploadErrorCode;
  readonly bytes?: number;
  readonly files?: number;
}

export type TelemetrySink = (span: TelemetrySpan) => void;

export interface TelemetryReport {
  readonly stages: Readonly<Record<TelemetryStage, Percentiles>>;
  /** Failed steps that were tried again, by cause. */
  readonly retries: Readonly<Record<FailureKind, number>>;
  /** Requests that were answered 429 or 503. */
  readonly throttled: number;
  /** Over the last seconds. */
  readonly bytesPerSecond: number;
  /** PUTs at once, as things stand. */
  readonly concurrency: number;
}

type SpanEnd = Omit<TelemetrySpan, 'type' | 'stage' | 'startEpochMs' | 'durationMs'>;

/** Percentiles of every stage, and each step for whoever listens. */
export class Telemetry {
  readonly #runtime: Runtime;
  readonly #sink: TelemetrySink | undefined;
  readonly #histograms: Record<TelemetryStage, Histogram>;
  readonly #retries: Record<FailureKind, number> = {
    rate_limit: 0,
    network: 0,
    server: 0,
    invalid: 0,
    unknown: 0,
  };
  #throttled = 0;

  constructor(runtime: Runtime, sink: TelemetrySink | undefined) {
    this.#runtime = runtime;
    this.#sink = sink;
    const histograms = TELEMETRY_STAGES.map((stage) => [stage, new Histogram()] as const);
    this.#histograms = Object.fromEntries(histograms) as Record<TelemetryStage, Histogram>;
  }

  /** Records a step that began at `startMs` and ends now. Failed ones do not count as latencies. */
  span(stage: TelemetryStage, startMs: number, end: SpanEnd): void {
    const durationMs = this.#runtime.now() - startMs;
    if (end.outcome === 'ok') this.#histograms[stage].add(durationMs);
    if (!this.#sink) return;
    const startEpochMs = this.#runtime.epochNow() - durationMs;
    try {
      this.#sink({ type: 'span', stage, startEpochMs, durationMs, ...end });
    } catch (error) {
      this.#runtime.reportError(error);
    }
  }

  retried(kind: FailureKind): void {
    this.#retries[kind] += 1;
  }

  throttled(): void {
    this.#throttled += 1;
  }

  report(bytesPerSecond: number, concurrency: number): TelemetryReport {
    const stages = TELEMETRY_STAGES.map(
      (stage) => [stage, this.#histograms[stage].percentiles()] as const,
    );
    return {
      stages: Object.fromEntries(stages) as Record<TelemetryStage, Percentiles>,
      retries: { ...this.#retries },
      throttled: this.#throttled,
      bytesPerSecond,
      concurrency,
    };
  }
}
