import { setTimeout as sleep } from 'node:timers/promises';
import type { BulkheadServer } from './create-server.ts';
import type { OpenDatabase } from './database/open-database.ts';
import type { Workers } from './jobs/workers.ts';
import type { Listening } from './node-server.ts';

/** What one process has open; each is optional, a worker has no server. */
export interface ShutDownParts {
  server?: Pick<BulkheadServer, 'drain' | 'close'> | undefined;
  listenings?: Iterable<Pick<Listening, 'close'>> | undefined;
  workers?: Pick<Workers, 'stop'> | undefined;
  /** What closes last but one: notifiers, limiters, telemetry. */
  closeOthers?: (() => Promise<void>) | undefined;
  database?: Pick<OpenDatabase, 'close'> | undefined;
}

export interface ShutDownOptions {
  /**
   * `/readyz` answers 503 for so long before anything else happens. Default 0; behind a balancer, twice as
   * long as it takes to notice.
   */
  drainMs?: number | undefined;
  /** Requests may take so long to end. Default 5 s. */
  requestGraceMs?: number | undefined;
  /** After them, jobs. What is not done then is given back. Default 5 s. */
  jobGraceMs?: number | undefined;
}

/**
 * Ends a process in order, so that nobody notices: not ready, event streams are told to come back,
 * requests finish, jobs finish or are given back, and the database is closed. What one step throws, the
 * next ones do not suffer from.
 * @throws {AggregateError} of whatever was thrown
 */
export async function shutDown(parts: ShutDownParts, options: ShutDownOptions = {}): Promise<void> {
  const { drainMs = 0, requestGraceMs = 5000, jobGraceMs = 5000 } = options;
  const errors: unknown[] = [];
  const step = async (work: (() => Promise<unknown>) | undefined) => {
    try {
      await work?.();
    } catch (error) {
      errors.push(error);
    }
  };
  const { server, workers, database, closeOthers, listenings = [] } = parts;
  server?.drain();
  if (drainMs > 0) await sleep(drainMs);
  // Streams first: they would hold their connections open.
  await step(server && (() => server.close()));
  await step(() => Promise.all([...listenings].map((each) => each.close(requestGraceMs))));
  // Until the last request is answered the queue takes its jobs.
  await step(workers && (() => workers.stop(jobGraceMs)));
  await step(closeOthers);
  await step(database && (() => database.close()));
  if (errors.length > 0) throw new AggregateError(errors, 'The shutdown was not in order');
}

/** Beside the drain: requests, jobs and connections end well within it. */
const MAX_MS = 30_000;

/** `maxMs` of {@link shutDownOnSignal} for a shutdown that drains for so long first. */
export function maxShutDownMs(drainMs: number): number {
  return drainMs + MAX_MS;
}

/**
 * Runs `stop` at the first SIGTERM or SIGINT, and ends the process when it is done: with 0, or with 1 when
 * it failed, took longer than `maxMs`, or a second signal came.
 *
 * @param maxMs default 30 s; with `drainMs` so much more. Supervisors must wait longer before they kill.
 */
export function shutDownOnSignal(
  stop: () => Promise<void>,
  onError: (error: unknown) => void,
  maxMs = MAX_MS,
): void {
  let isStopping = false;
  const onSignal = () => {
    if (isStopping) process.exit(1);
    isStopping = true;
    setTimeout(() => {
      onError(new Error(`The shutdown took longer than ${maxMs} ms`));
      process.exit(1);
    }, maxMs).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        onError(error);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}
