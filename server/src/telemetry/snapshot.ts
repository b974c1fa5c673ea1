import type { Percentiles } from './latencies.ts';
import type { QueueDepths } from './queue-depths.ts';
import type { Stage } from './telemetry.ts';

/** What `GET /api/telemetry` answers. All of it speaks of one process, except for the queues. */
export interface TelemetrySnapshot {
  /** ISO 8601. */
  timestamp: string;
  process: { uptimeSeconds: number; memoryBytes: number };
  /** Of the last five minutes. `upload`: from a file's credential to its asset. */
  latencies: Record<'upload' | Stage, Percentiles>;
  /** Files a second, over the last minute. */
  ratesPerSecond: Record<'uploaded' | 'processed' | 'embedded' | 'failed', number>;
  /** Since the process began, by stage and code. */
  failures: Partial<Record<Stage, Record<string, number>>>;
  /** Of the whole database; null when it does not answer, or is none of this process's. */
  queues: QueueDepths | null;
  /** Requests that were answered 429, since the process began. */
  rateLimited: number;
  streams: { open: number; refused: number };
}
