import { createProviderLane } from '../embeddings/provider-lane.ts';
import type { JobGate } from './job-gate.ts';
import type { JobName } from './queue.ts';
import type { WorkerContext } from './worker-context.ts';

/** What stands between jobs of one stage and the store: a breaker, as the embedder's provider has one. */
export interface StoreLane extends JobGate {
  /** Until an image may be tried; 0 when it may. */
  pausedSeconds(): number;
  /** An image went through from its original to its derivatives: all of it works. */
  worked(): void;
  /** What was tried says nothing about the store. */
  undecided(): void;
  /**
   * The store or this machine failed. Says for how many seconds images wait now.
   * @param cause what it is called in the log, which has each cause once until it works again
   */
  failed(cause: string, error: unknown): number;
  /** Remembers that an image was given back, to come again after so long. */
  deferred(assetId: string, seconds: number): void;
  /** Whether others went through since this image was to come again: then it may be the cause. */
  isSuspect(assetId: string): boolean;
}

const WORDS: Record<JobName, { waits: string; back: string }> = {
  process: { waits: 'images wait', back: '[Jobs] images can be processed again' },
  embed: { waits: 'embeddings wait', back: '[Jobs] thumbnails can be read again' },
};

/** Given-back images that are remembered; the oldest are forgotten. */
const MAX_REMEMBERED = 10_000;

/**
 * The lane of this process. While the store is down or the disk is full, jobs stay in the queue untouched,
 * and one image at a time finds out whether it is over: after 5 s, 10 s … 5 min (±20 %).
 */
export function createStoreLane(
  context: Pick<WorkerContext, 'clock' | 'random' | 'logger'>,
  job: JobName = 'process',
): StoreLane {
  const { clock, logger } = context;
  const { back, waits } = WORDS[job];
  const lane = createProviderLane({ ...context, back });
  const logged = new Set<string>();
  const dueAtMs = new Map<string, number>();
  return {
    admit: (wanted) => lane.admit(wanted),
    giveBack: (permits) => lane.giveBack(permits),
    pausedSeconds: () => lane.pausedSeconds(),
    worked() {
      logged.clear();
      lane.answered();
    },
    // The next image may find out at once.
    undecided: () => lane.giveBack(0),
    failed(cause, error) {
      const seconds = lane.failed();
      if (!logged.has(cause)) {
        logged.add(cause);
        const fields = { job, cause, err: error, retryInSeconds: Math.ceil(seconds) };
        const message = `[Jobs] ${waits}: the store or this machine failed (${cause}). No image pays for it`;
        logger.error(fields, message);
      }
      return seconds;
    },
    deferred(assetId, seconds) {
      dueAtMs.delete(assetId);
      dueAtMs.set(assetId, clock() + seconds * 1000);
      const [oldest] = dueAtMs.keys();
      if (dueAtMs.size > MAX_REMEMBERED && oldest !== undefined) dueAtMs.delete(oldest);
    },
    isSuspect(assetId) {
      const dueMs = dueAtMs.get(assetId);
      dueAtMs.delete(assetId);
      return dueMs !== undefined && (lane.answeredAtMs ?? 0) > dueMs;
    },
  };
}
