import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logging.ts';
import type { JobSource } from './job-loop.ts';
import type { DrainOptions, JobName } from './queue.ts';
import { runJob } from './run-job.ts';

/** A handler that heard the signal has given its job back within this; a deaf one is left behind. */
const ABORT_GRACE_MS = 1000;

/** The time of a slice is over: what still runs is delivered again. */
export class SliceEndedError extends Error {
  override readonly name = 'SliceEndedError';
}

/**
 * Takes jobs one by one, oldest first, until there are none, `maxJobs` were taken or `deadlineMs` are
 * over. Nothing is claimed ahead: a function may be frozen the moment it has answered. What still
 * runs at the deadline is aborted and given back.
 * @returns how many jobs were taken.
 */
export async function runJobSlice(
  options: DrainOptions & {
    name: JobName;
    source: JobSource;
    logger: Logger;
    heartbeatMs: number;
  },
): Promise<number> {
  const { name, source, logger, heartbeatMs, maxJobs, deadlineMs, concurrency, handler } = options;
  const { gate } = options;
  const endsAtMs = performance.now() + deadlineMs;
  const controller = new AbortController();
  const deadline = setTimeout(() => {
    controller.abort(new SliceEndedError('The time of this slice of work is over'));
  }, deadlineMs);
  let taken = 0;

  /** @returns false when the gate stays shut for longer than this slice lasts */
  const pass = async (): Promise<boolean> => {
    for (;;) {
      const { permits, waitMs } = (await gate?.admit(1)) ?? { permits: 1, waitMs: 0 };
      if (permits > 0) return true;
      if (performance.now() + waitMs >= endsAtMs) return false;
      await sleep(waitMs, undefined, { signal: controller.signal }).catch(() => {});
      if (controller.signal.aborted) return false;
    }
  };

  const slot = async () => {
    while (!controller.signal.aborted && taken < maxJobs) {
      taken++;
      if (!(await pass())) {
        taken--;
        return;
      }
      let job: Awaited<ReturnType<JobSource['fetch']>>[number] | undefined;
      try {
        [job] = await source.fetch(1);
      } finally {
        if (!job) {
          taken--;
          gate?.giveBack(1);
        }
      }
      if (!job) return;
      await runJob({ name, source, job, handler, logger, heartbeatMs, signal: controller.signal });
    }
  };

  try {
    const slots = Promise.all(Array.from({ length: Math.min(concurrency, maxJobs) }, slot));
    await Promise.race([slots, afterAbort(controller.signal)]);
    return taken;
  } finally {
    clearTimeout(deadline);
    // Slots that are left when one could not reach the engine.
    controller.abort(new SliceEndedError('The slice of work has ended'));
  }
}

async function afterAbort(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await sleep(ABORT_GRACE_MS, undefined, { ref: false });
}
