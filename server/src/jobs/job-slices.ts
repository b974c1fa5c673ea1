import type { ProviderLane } from '../embeddings/provider-lane.ts';
import { createImageEmbedder } from './embed-image.ts';
import type { JobSummary } from './job-summary.ts';
import { createImageProcessor } from './process-image.ts';
import type { JobName } from './queue.ts';
import { recoverStranded } from './recover.ts';
import type { StoreLane } from './store-lane.ts';
import type { WorkerContext } from './worker-context.ts';

export interface SliceBounds {
  /** Jobs taken at most. */
  maxJobs: number;
  /** The slice has answered a second after this at the latest. */
  deadlineMs: number;
  /** Jobs at once. */
  concurrency: number;
}

export interface SliceResult {
  /** Jobs whose stage succeeded. */
  processed: number;
  /** Failed for good: dead letters now. */
  failed: number;
  /** Failed and waiting for their next attempt. */
  retried: number;
  /** Jobs of this stage that wait or run, wherever. */
  remaining: number;
}

export type JobSlices = (name: JobName, bounds: SliceBounds) => Promise<SliceResult>;

export interface JobSlicesParts {
  context: WorkerContext;
  /** Of the embedder's provider. */
  lane: ProviderLane;
  /** Of the store. */
  storeLane: StoreLane;
  /** Enqueues what has another model's vector, or failed to; see `enqueueReembedding`. */
  reembed: () => Promise<void>;
}

/**
 * Slices of work with the workers' own handlers and claims. Only cron may ever run here, so an empty
 * queue is also when assets that lost their job are looked for.
 */
export function createJobSlices(parts: JobSlicesParts): JobSlices {
  const { context, lane, storeLane, reembed } = parts;
  const { db, queue, logger } = context;
  return async (name, bounds) => {
    if ((await queue.depth(name)) === 0) {
      const recovered = await recoverStranded(db, queue);
      if (recovered > 0) logger.warn({ recovered }, '[Cron] re-enqueued assets that had no job');
      await reembed();
    }
    const counts = { processed: 0, embedded: 0, retried: 0, failed: 0 };
    const summary: JobSummary = {
      count(what) {
        counts[what]++;
      },
      flush() {},
    };
    const counted = { ...context, summary };
    await queue.drain(
      name,
      name === 'process'
        ? { ...bounds, handler: createImageProcessor(counted, storeLane), gate: storeLane }
        : { ...bounds, handler: createImageEmbedder(counted, lane), gate: lane },
    );
    const { processed, embedded, retried, failed } = counts;
    const remaining = await queue.depth(name);
    return { processed: processed + embedded, failed, retried, remaining };
  };
}
