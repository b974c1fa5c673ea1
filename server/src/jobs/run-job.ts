import type { Tx } from '../database/schema.ts';
import type { Logger } from '../logging.ts';
import type { ClaimedJob, JobSource } from './job-loop.ts';
import { type Job, type JobName, LeaseLostError } from './queue.ts';

export interface RunJobOptions {
  name: JobName;
  source: JobSource;
  job: ClaimedJob;
  handler: (job: Job) => Promise<void>;
  logger: Logger;
  /** How often the lease is renewed; well below its length. */
  heartbeatMs: number;
  /** Aborted when this process must end: the job is given back, to be delivered again. */
  signal: AbortSignal;
}

/**
 * `settled`: the handler came to an answer. `given-back`: it threw, or was stopped; the job comes again.
 * `lost`: another worker has the job, and nothing of this run was committed.
 */
export type JobOutcome = 'settled' | 'given-back' | 'lost';

/** Runs one claimed job outside of a loop, with its lease renewed and its result fenced. Never rejects. */
export async function runJob(options: RunJobOptions): Promise<JobOutcome> {
  const { name, source, job, handler, logger, signal } = options;
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  const complete = async (tx?: Tx) => (await source.complete([job], tx)).has(job.id);
  let isSettled = false;
  let isLost = false;
  const lose = (): LeaseLostError => {
    isLost = true;
    const error = new LeaseLostError(name, job.id);
    controller.abort(error);
    return error;
  };
  const fields = { job: name, assetId: job.data.assetId, attempt: job.retryCount + 1 };
  const heartbeat = setInterval(() => {
    source.touch([job]).then(
      (held) => {
        if (!held.has(job.id) && !isSettled) lose();
      },
      (error: unknown) => logger.warn({ ...fields, err: error }, '[Jobs] cannot renew a lease'),
    );
  }, options.heartbeatMs);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  try {
    controller.signal.throwIfAborted();
    await handler({
      id: job.id,
      data: job.data,
      attempt: job.retryCount + 1,
      signal: controller.signal,
      async complete(tx) {
        if (!(await complete(tx))) throw lose();
        isSettled = true;
      },
    });
    if (!isSettled && !(await complete())) throw lose();
    return 'settled';
  } catch (error) {
    if (isLost) {
      logger.warn(fields, '[Jobs] lease lost; another worker has the job');
      return 'lost';
    }
    if (signal.aborted) logger.info(fields, '[Jobs] interrupted; the job will be delivered again');
    else logger.error({ ...fields, err: error }, '[Jobs] failed; the job will be delivered again');
    // When even this fails the lease runs out, and the job is delivered again all the same.
    await source.fail(job, error).catch((failure: unknown) => {
      logger.warn(
        { ...fields, err: failure },
        '[Jobs] cannot give the job back; its lease runs out',
      );
    });
    return 'given-back';
  } finally {
    clearInterval(heartbeat);
    signal.removeEventListener('abort', abort);
  }
}
