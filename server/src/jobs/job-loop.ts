import { setTimeout as sleep } from 'node:timers/promises';
import type { Tx } from '../database/schema.ts';
import type { Logger } from '../logging.ts';
import { gather } from './gather.ts';
import type { JobGate } from './job-gate.ts';
import { type Job, type JobData, type JobName, LeaseLostError } from './queue.ts';
import { createWakeSignal } from './wake-signal.ts';

/** A job as it was claimed. `retryCount` identifies the claim: settling is fenced by it. */
export interface ClaimedJob {
  id: string;
  retryCount: number;
  data: JobData;
}

/** What the loop needs of the job engine. */
export interface JobSource {
  /** In the order in which they are to be started. */
  fetch(limit: number): Promise<ClaimedJob[]>;
  /** Settles them in one statement. @returns the ids of those whose claim still held */
  complete(jobs: readonly ClaimedJob[], tx?: Tx): Promise<ReadonlySet<string>>;
  /** Gives the job back, to be delivered again after the queue's backoff. */
  fail(job: ClaimedJob, error: unknown): Promise<boolean>;
  /** Gives back jobs that nobody started: at once, and without counting the delivery. */
  release(jobs: readonly ClaimedJob[]): Promise<void>;
  /** Renews leases. @returns the ids of those whose claim still held */
  touch(jobs: readonly ClaimedJob[]): Promise<ReadonlySet<string>>;
}

export interface JobLoopOptions {
  name: JobName;
  source: JobSource;
  /** Jobs in flight at once. A free slot is refilled at once; nothing waits for the slowest. */
  concurrency: number;
  handler: (job: Job) => Promise<void>;
  logger: Logger;
  /** How often to look for jobs when nobody calls `wake`: delayed jobs announce themselves not. */
  pollIntervalMs: number;
  /** How often leases are renewed; well below their length. */
  heartbeatMs: number;
  /** Asked before every fetch. Default: as many as there are slots for. */
  gate?: JobGate | undefined;
}

export interface JobLoop {
  /** There may be jobs: look now. */
  wake(): void;
  /** Takes no more jobs, gives running handlers `graceMs`, then aborts their signals. */
  stop(graceMs: number): Promise<void>;
}

interface Running {
  job: ClaimedJob;
  controller: AbortController;
  isSettled: boolean;
  isLost: boolean;
  done: Promise<void>;
}

/**
 * Claimed per slot beyond what can start at once. A claim costs 2 to 4 ms of an embedded database,
 * as much as the rest of a small job; claiming eight together makes it a rounding error.
 */
const PREFETCH_PER_SLOT = 3;
/** After a claim that emptied the queue the next one waits this long: a trickle is taken in sips. */
const COALESCE_MS = 50;
/** How long a handler may take to notice that it was aborted before `stop` leaves it behind. */
const ABORT_GRACE_MS = 3000;
const MAX_FETCH_BACKOFF_MS = 10_000;

/** The worker stops: the handler's job will be delivered again. */
class WorkerStoppingError extends Error {
  override readonly name = 'WorkerStoppingError';
}

/**
 * Runs one queue's jobs, `concurrency` at once. The job library's own worker loop settles batches
 * and idles half a second between single jobs; this one keeps every slot busy while there is work.
 * A few jobs are claimed ahead; their leases are renewed like those of running ones.
 */
export function startJobLoop(options: JobLoopOptions): JobLoop {
  const { name, source, concurrency, handler, logger, gate } = options;
  const running = new Set<Running>();
  let ahead: ClaimedJob[] = [];
  /** Whether jobs may be left to claim. When not, new ones announce themselves. */
  let hasMore = false;
  const signal = createWakeSignal();
  let isStopping = false;
  const completeAlone = completer();
  /** Of each transaction that settles jobs: those asked for together are settled together. */
  const completeIn = new WeakMap<Tx, (job: ClaimedJob) => Promise<boolean>>();

  const heartbeat = setInterval(() => void renewLeases(), options.heartbeatMs);
  const pumping = pump();

  async function pump(): Promise<void> {
    const wanted = concurrency * (1 + PREFETCH_PER_SLOT);
    let backoffMs = 0;
    while (!isStopping) {
      if (ahead.length > 0 || running.size >= concurrency) {
        // Whatever woke us, there may be jobs that no slot can take now: the next free one looks.
        hasMore = true;
        await signal.wait(options.pollIntervalMs);
        continue;
      }
      let permits = wanted;
      try {
        if (gate) {
          const admitted = await gate.admit(wanted);
          permits = admitted.permits;
          if (permits === 0) {
            // A shut gate answers from memory: asking it costs nothing, and it may have been opened.
            await signal.wait(Math.min(admitted.waitMs, options.pollIntervalMs));
            continue;
          }
        }
        ahead = await source.fetch(permits);
        if (ahead.length < permits) gate?.giveBack(permits - ahead.length);
        backoffMs = 0;
      } catch (error) {
        backoffMs = Math.min(MAX_FETCH_BACKOFF_MS, Math.max(options.pollIntervalMs, backoffMs * 2));
        logger.error({ job: name, err: error, retryInMs: backoffMs }, '[Jobs] cannot fetch jobs');
      }
      hasMore = ahead.length === permits;
      fillSlots();
      if (hasMore) continue;
      await sleep(COALESCE_MS);
      await signal.wait(backoffMs || options.pollIntervalMs);
    }
  }

  function fillSlots(): void {
    while (!isStopping && running.size < concurrency) {
      const job = ahead.shift();
      if (!job) return;
      start(job);
    }
  }

  function start(job: ClaimedJob): void {
    const entry: Running = {
      job,
      controller: new AbortController(),
      isSettled: false,
      isLost: false,
      done: Promise.resolve(),
    };
    running.add(entry);
    entry.done = run(entry).finally(() => {
      running.delete(entry);
      fillSlots();
      if (hasMore && ahead.length === 0) signal.wake();
    });
  }

  async function run(entry: Running): Promise<void> {
    const { job, controller } = entry;
    try {
      await handler({
        id: job.id,
        data: job.data,
        attempt: job.retryCount + 1,
        signal: controller.signal,
        async complete(tx) {
          const complete = completeIn.get(tx) ?? completer(tx);
          completeIn.set(tx, complete);
          if (!(await complete(job))) throw lose(entry);
          entry.isSettled = true;
        },
      });
      if (!entry.isSettled && !(await completeAlone(job))) throw lose(entry);
    } catch (error) {
      await giveBack(entry, error);
    }
  }

  function completer(tx?: Tx): (job: ClaimedJob) => Promise<boolean> {
    return gather(async (jobs) => {
      const held = await source.complete(jobs, tx);
      return jobs.map((job) => held.has(job.id));
    });
  }

  async function giveBack(entry: Running, error: unknown): Promise<void> {
    const fields = {
      job: name,
      assetId: entry.job.data.assetId,
      attempt: entry.job.retryCount + 1,
    };
    if (entry.isLost) {
      logger.warn(fields, '[Jobs] lease lost; another worker has the job');
      return;
    }
    if (isStopping) logger.info(fields, '[Jobs] interrupted; the job will be delivered again');
    else logger.error({ ...fields, err: error }, '[Jobs] failed; the job will be delivered again');
    // When even this fails the lease runs out, and the job is delivered again all the same.
    await source.fail(entry.job, error).catch((failure: unknown) => {
      logger.warn(
        { ...fields, err: failure },
        '[Jobs] cannot give the job back; its lease runs out',
      );
    });
  }

  function lose(entry: Running): LeaseLostError {
    entry.isLost = true;
    const error = new LeaseLostError(name, entry.job.id);
    entry.controller.abort(error);
    return error;
  }

  async function renewLeases(): Promise<void> {
    try {
      const [entries, waiting] = [[...running], [...ahead]];
      const jobs = [...entries.map((entry) => entry.job), ...waiting];
      if (jobs.length === 0) return;
      const held = await source.touch(jobs);
      for (const entry of entries) {
        if (!held.has(entry.job.id) && !entry.isSettled && running.has(entry)) lose(entry);
      }
      ahead = ahead.filter((job) => held.has(job.id) || !waiting.includes(job));
    } catch (error) {
      logger.warn({ job: name, err: error }, '[Jobs] cannot renew leases');
    }
  }

  async function giveBackAhead(): Promise<void> {
    const unstarted = ahead;
    ahead = [];
    if (unstarted.length === 0) return;
    await source.release(unstarted).catch((error: unknown) => {
      logger.warn({ job: name, err: error }, '[Jobs] cannot give jobs back; their leases run out');
    });
  }

  return {
    wake: signal.wake,
    async stop(graceMs) {
      isStopping = true;
      signal.wake();
      await pumping;
      await giveBackAhead();
      await settled(running, graceMs);
      for (const { controller } of running) {
        controller.abort(new WorkerStoppingError('The worker is stopping'));
      }
      await settled(running, ABORT_GRACE_MS);
      clearInterval(heartbeat);
    },
  };
}

async function settled(running: ReadonlySet<Running>, timeoutMs: number): Promise<void> {
  if (running.size === 0) return;
  const timer = new AbortController();
  await Promise.race([
    Promise.all([...running].map((entry) => entry.done)),
    sleep(timeoutMs, undefined, { signal: timer.signal }).catch(() => {}),
  ]);
  timer.abort();
}
