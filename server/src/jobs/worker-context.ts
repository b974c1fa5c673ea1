import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Vectors } from '../database/vectors.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { RenderLimits } from '../images/render-image.ts';
import type { Logger } from '../logging.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Random } from './backoff.ts';
import type { JobSummary } from './job-summary.ts';
import type { Queue } from './queue.ts';

/** What the handlers of both stages work with. */
export interface WorkerContext {
  db: Database;
  vectors: Vectors;
  queue: Queue;
  blobs: BlobStore;
  embedder: Embedder;
  changes: ChangeFeed;
  logger: Logger;
  summary: JobSummary;
  telemetry: Telemetry;
  limits: Partial<RenderLimits>;
  random: Random;
  clock: Clock;
}

/**
 * A job delivered more often than this kills its worker, or never reaches an answer, and is failed
 * for good. Generous, because an innocent job that runs beside a killer, or through an outage of
 * the database, is delivered again too.
 */
export const MAX_DELIVERIES = 20;
