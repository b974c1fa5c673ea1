import type { Tx } from '../database/schema.ts';
import type { JobGate } from './job-gate.ts';

/** The two background stages. */
export type JobName = 'process' | 'embed';

export interface JobData {
  assetId: string;
  /** How often it found no room on a machine that others did: such waits have an end. Default 0. */
  machineWaits?: number;
}

export interface Job {
  id: string;
  data: JobData;
  /** Counts from 1. */
  attempt: number;
  /** Aborted when the lease is lost or the worker stops: what runs then must not commit. */
  signal: AbortSignal;
  /**
   * Settles the job inside the caller's transaction, so that the job and its result commit together.
   * Throws `LeaseLostError` when the job was given to another worker meanwhile, which rolls
   * the late result back: the queue's own fencing token. A handler that returns without having
   * called it is settled then.
   */
  complete(tx: Tx): Promise<void>;
}

/** Another worker has the job, or had it and finished: this one's result must not be committed. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
  constructor(name: JobName, jobId: string) {
    super(`The lease of ${name} job ${jobId} was lost`);
  }
}

/** When new jobs begin, and before which others. */
export interface EnqueueOptions {
  /** Not before so many seconds from now. Default 0. */
  startAfterSeconds?: number;
  /** Higher goes first. Default 0; a person's retry is 10, embedding anew is −10. */
  priority?: number;
}

/** The bounds of a slice of work. */
export interface DrainOptions {
  /** Jobs taken at most. */
  maxJobs: number;
  /** What runs after so long is aborted and given back. */
  deadlineMs: number;
  /** Jobs at once. */
  concurrency: number;
  handler: (job: Job) => Promise<void>;
  /** Takes no more than it admits; one that stays shut for too long ends the slice. */
  gate?: JobGate | undefined;
}

/**
 * The job engine. Delivery is at least once: handlers are idempotent. A handler that throws is
 * called again with backoff; one that wants another schedule enqueues the next attempt itself and
 * returns. No two jobs of one name run for one asset at the same time.
 */
export interface Queue {
  /** Inside the caller's transaction: the jobs exist exactly if it commits. */
  enqueue(tx: Tx, name: JobName, jobs: readonly JobData[], options?: EnqueueOptions): Promise<void>;
  /** Calls `handler` for each job, `concurrency` at once, and fetches no more than `gate` admits. */
  work(
    name: JobName,
    concurrency: number,
    handler: (job: Job) => Promise<void>,
    gate?: JobGate,
  ): Promise<void>;
  /**
   * Takes jobs that are due, oldest first, until there are none or a bound is met, and answers how
   * many those were: for hosts that run no worker. Beside workers and other calls, each job is taken once.
   */
  drain(name: JobName, options: DrainOptions): Promise<number>;
  /** Jobs waiting or running: exact up to 10,000; of more, as they were two seconds ago at most. */
  depth(name: JobName): Promise<number>;
  /**
   * Those of the given assets that have a job waiting or running; inside a transaction, by its handle: on
   * an embedded database any other would wait for ever.
   */
  pending(name: JobName, assetIds: readonly string[], tx?: Tx): Promise<Set<string>>;
  start(): Promise<void>;
  /** Between `start` and `stop`. A queue that does not say is taken to run. */
  readonly isStarted?: boolean;
  /** Lets running handlers finish for `graceMs`, then aborts their signals. */
  stop(graceMs?: number): Promise<void>;
}
