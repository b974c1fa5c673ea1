import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Vectors } from '../database/vectors.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { ImageDecoder } from '../images/image-decoder.ts';
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
  decoder: ImageDecoder;
  /** Originals in memory at once: those that are decoded, and as many that are ready to be. */
  maxOriginals: number;
  /** A `process` job delivered more often than this is failed for good. */
  maxProcessDeliveries: number;
  telemetry: Telemetry;
  random: Random;
  clock: Clock;
}

/**
 * A job delivered more often than this kills its worker, or never reaches an answer, and is failed
 * for good. Generous, because an innocent job that runs beside a killer, or through an outage of
 * the database, is delivered again too.
 */
export const MAX_DELIVERIES = 20;

/**
 * The same of processing where images are decoded in child processes: no image takes its worker down
 * there, so innocents do not run beside killers. What is left are workers that are killed by hand, and
 * outages; a delivery that ends in an orderly stop before it began does not count.
 */
export const MAX_ISOLATED_DELIVERIES = 8;

/** An image that ended its decoder so often is failed for good: the children are ended by nothing else. */
export const MAX_DECODER_CRASHES = 3;
