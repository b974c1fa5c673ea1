import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import { createLane } from '../embeddings/create-lane.ts';
import type { Embedder } from '../embeddings/embedder.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import { createDecoderPool, type DecoderPoolOptions } from '../images/decoder-pool.ts';
import { createInlineDecoder } from '../images/image-decoder.ts';
import type { RenderLimits } from '../images/render-image.ts';
import type { Logger } from '../logging.ts';
import type { RateLimiter } from '../rate-limit/rate-limiter.ts';
import { measureJob } from '../telemetry/measured.ts';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import type { Random } from './backoff.ts';
import { createImageEmbedder } from './embed-image.ts';
import { createJobSlices, type JobSlices } from './job-slices.ts';
import { createJobSummary } from './job-summary.ts';
import { createImageProcessor } from './process-image.ts';
import type { Job, JobName, Queue } from './queue.ts';
import { enqueueReembedding } from './re-embed.ts';
import { recoverStranded } from './recover.ts';
import { createStoreLane } from './store-lane.ts';
import { MAX_DELIVERIES, MAX_ISOLATED_DELIVERIES, type WorkerContext } from './worker-context.ts';
import { createWorkerRegistry } from './worker-registry.ts';

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
  /**
   * Where images are decoded. Default `'child'`: in processes of their own, so that no image can take
   * this one down. `'inline'` is for hosts that cannot start processes.
   */
  decode?: 'child' | 'inline';
  /** Time, memory and script of the children; see {@link DecoderPoolOptions} for the defaults. */
  decoder?: Omit<DecoderPoolOptions, 'size' | 'limits'>;
  /** Embeddings at once. Default 2. */
  embedConcurrency?: number;
  /**
   * Keeps the pace of the embedder's provider: one bucket for all processes that ask it, by the key
   * `provider:<name>`, with the embedder's `pace` as its size and refill. Default: one in memory, which is
   * right for a single process.
   */
  providerLimiter?: RateLimiter;
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
  /** A bounded slice of one stage's work, for hosts that run no worker; see `createJobSlices`. */
  slice: JobSlices;
  /** Stops the queue: running jobs get `graceMs`, then are given back to be delivered again. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Process jobs in hand for each image that is decoded: others are read, written or wait for their
 * commit meanwhile, which they share.
 */
const JOBS_PER_DECODER = 6;
/** Originals in memory for each image that is decoded: it, and the next one. */
const ORIGINALS_PER_DECODER = 2;

/** The background half: images are processed, then embedded, each stage at its own pace. */
export function createWorkers(options: WorkersOptions): Workers {
  const { database, queue, logger, processConcurrency = 2, embedConcurrency = 2 } = options;
  const { decode = 'child', limits = {} } = options;
  const { db } = database;
  const { telemetry = noTelemetry } = options;
  const decoder =
    decode === 'inline'
      ? createInlineDecoder(limits)
      : createDecoderPool({ ...options.decoder, size: processConcurrency, limits });
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
    decoder,
    maxOriginals: processConcurrency * (decode === 'inline' ? 1 : ORIGINALS_PER_DECODER),
    maxProcessDeliveries: decode === 'inline' ? MAX_DELIVERIES : MAX_ISOLATED_DELIVERIES,
    random: options.random ?? Math.random,
    clock: options.clock ?? Date.now,
  };
  const { model } = options.embedder;
  const lane = createLane(options.embedder, {
    ...{ db, logger, clock: context.clock, random: context.random },
    providerLimiter: options.providerLimiter,
  });
  const storeLane = createStoreLane(context);
  const stopping = new AbortController();
  let reembedding: Promise<void> | undefined;

  const reembed = async (): Promise<void> => {
    try {
      const enqueued = await enqueueReembedding(database, queue, model, stopping.signal);
      if (enqueued === 0) return;
      logger.info(
        { enqueued, model },
        `[Jobs] ${enqueued} assets will be embedded anew by ${model}`,
      );
    } catch (error) {
      logger.error({ err: error, model }, '[Jobs] embedding anew could not be enqueued');
    }
  };
  const registry = createWorkerRegistry(db, logger);
  const measured = (name: JobName, handler: (job: Job) => Promise<void>) =>
    measureJob(name, handler, telemetry);
  return {
    slice: createJobSlices({ context, lane, storeLane, reembed }),
    async start() {
      const recovered = await recoverStranded(db, queue);
      if (recovered > 0) {
        logger.warn({ recovered }, `[Jobs] re-enqueued ${recovered} assets that had no job`);
      }
      await registry.start({ process: processConcurrency, embed: embedConcurrency });
      const jobs = processConcurrency * JOBS_PER_DECODER;
      const process = measured('process', createImageProcessor(context, storeLane));
      await queue.work('process', jobs, process, storeLane);
      const embed = measured('embed', createImageEmbedder(context, lane));
      await queue.work('embed', embedConcurrency, embed, lane);
      reembedding = reembed();
    },
    async stop(graceMs) {
      stopping.abort();
      await reembedding;
      await queue.stop(graceMs);
      await registry.stop();
      await decoder.close();
      context.summary.flush();
    },
  };
}
