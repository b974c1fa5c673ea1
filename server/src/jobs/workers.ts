import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { RenderLimits } from '../images/render-image.ts';
import type { Logger } from '../logging.ts';
import { measureJob } from '../telemetry/measured.ts';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import type { Random } from './backoff.ts';
import { createImageEmbedder } from './embed-image.ts';
import { createJobSummary } from './job-summary.ts';
import { createImageProcessor } from './process-image.ts';
import type { Job, JobName, Queue } from './queue.ts';
import { recoverStranded } from './recover.ts';
import type { WorkerContext } from './worker-context.ts';

export interface WorkersOptions {
  database: OpenDatabase;
  /** Started. */
  queue: Queue;
  blobs: BlobStore;
  embedder: Embedder;
  /** Told after every commit. */
  changes: ChangeFeed;
  logger: Logger;
  /** Default: nobody is told. */
  telemetry?: Telemetry;
  /** Images decoded at once. Default 2: each takes one core and, at the pixel limit, 400 MB. */
  processConcurrency?: number;
  /** Embeddings at once. Default 2. */
  embedConcurrency?: number;
  /** Bounds of the work on one image; see {@link RenderLimits} for the defaults. */
  limits?: Partial<RenderLimits>;
  /** Default `Math.random`. */
  random?: Random;
  /** Default `Date.now`. */
  clock?: Clock;
}

export interface Workers {
  /** Re-enqueues what has no job, then takes jobs of both stages. */
  start(): Promise<void>;
  /** Stops the queue: running jobs get `graceMs`, then are given back to be delivered again. */
  stop(graceMs?: number): Promise<void>;
}

/** The background half: images are processed, then embedded, each stage at its own pace. */
export function createWorkers(options: WorkersOptions): Workers {
  const { database, queue, logger, processConcurrency = 2, embedConcurrency = 2 } = options;
  const { db } = database;
  const { telemetry = noTelemetry } = options;
  const context: WorkerContext = {
    db,
    vectors: database.vectors,
    queue,
    logger,
    blobs: options.blobs,
    embedder: options.embedder,
    changes: options.changes,
    summary: createJobSummary(logger),
    telemetry,
    limits: options.limits ?? {},
    random: options.random ?? Math.random,
    clock: options.clock ?? Date.now,
  };
  const measured = (name: JobName, handler: (job: Job) => Promise<void>) =>
    measureJob(name, handler, telemetry);
  return {
    async start() {
      const recovered = await recoverStranded(db, queue);
      if (recovered > 0) {
        logger.warn({ recovered }, `[Jobs] re-enqueued ${recovered} assets that had no job`);
      }
      await queue.work(
        'process',
        processConcurrency,
        measured('process', createImageProcessor(context)),
      );
      await queue.work('embed', embedConcurrency, measured('embed', createImageEmbedder(context)));
    },
    async stop(graceMs) {
      await queue.stop(graceMs);
      context.summary.flush();
    },
  };
}
