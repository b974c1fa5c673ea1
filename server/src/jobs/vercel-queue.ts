/**
 * `@bulkhead/server/vercel-queue`: jobs delivered by Vercel Queues (`@vercel/queue`).
 *
 * @module @bulkhead/server/vercel-queue
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { QueueClient, type QueueClientOptions } from '@vercel/queue';
import { sql } from 'kysely';
import { mapConcurrently } from '../concurrency.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import type { Logger } from '../logging.ts';
import type { JobGate } from './job-gate.ts';
import { createJobOutbox } from './job-outbox.ts';
import { runJobSlice } from './job-slice.ts';
import type { Job, JobName, Queue } from './queue.ts';
import { runJob } from './run-job.ts';
import { createSlots, type Slots } from './slots.ts';

/** What `createVercelQueue` takes. */
export interface VercelQueueOptions {
  /** Open; the queue neither opens nor closes it. The jobs are its rows. */
  database: Pick<OpenDatabase, 'db' | 'signals'>;
  logger: Logger;
  /** Of `QueueClient`: region, token, deployment. Default: as Vercel's environment has them. */
  client?: QueueClientOptions;
  /** Topics of the stages, as `vercel.json` names them. Default `bulkhead-process`, `bulkhead-embed`. */
  topics?: Record<JobName, string>;
  /** A job whose worker went silent for so long may be taken by another. Default and least 30. */
  leaseSeconds?: number;
  /** How often rows without a message are looked for, besides after every commit. Default 15 s. */
  sweepIntervalMs?: number;
  /** A job overdue for so long has lost its message and gets another one. Default 15 min. */
  overdueSeconds?: number;
}

/** A queue that Vercel Queues deliver. */
export interface VercelQueue extends Queue {
  /** Answers the service's deliveries, of both topics: the route that `vercel.json` names. */
  fetch(request: Request): Promise<Response>;
  /**
   * Sends what was committed and has no message yet, and answers how many messages those were. Called
   * after commits and by a timer; where functions are frozen after their answer, call it in `after()`
   * or `waitUntil()`, and from a cron.
   */
  publish(): Promise<number>;
}

const CHANNEL = 'bulkhead_outbox';
const DEFAULT_TOPICS: Record<JobName, string> = {
  process: 'bulkhead-process',
  embed: 'bulkhead-embed',
};
/** The service's most: 7 days. What outlives it is published again. */
const RETENTION_SECONDS = 604_800;
const PUBLISH_BATCH = 100;
const SENDS_AT_ONCE = 10;
const DEFAULT_GRACE_MS = 5000;
/** How long a handler may take to notice that it was aborted before `stop` leaves it behind. */
const ABORT_GRACE_MS = 3000;
const MAX_LATER_SECONDS = 3600;

/** Not now: the service delivers the message again after so long. */
class LaterError extends Error {
  override readonly name = 'LaterError';
  readonly seconds: number;
  constructor(seconds: number) {
    super(`Deliver again in ${seconds} s`);
    this.seconds = Math.min(MAX_LATER_SECONDS, Math.max(1, Math.ceil(seconds)));
  }
}

interface Consumer {
  slots: Slots;
  handler: (job: Job) => Promise<void>;
  gate: JobGate | undefined;
}

/**
 * Jobs are rows of `job_outbox`, enqueued and settled in the caller's transactions; the service only
 * calls when a row is due. It has no priorities: those order `drain` alone.
 */
export function createVercelQueue(options: VercelQueueOptions): VercelQueue {
  const { database, logger, topics = DEFAULT_TOPICS } = options;
  const { leaseSeconds = 30, sweepIntervalMs = 15_000, overdueSeconds = 900 } = options;
  const { db, signals } = database;
  const client = new QueueClient(options.client);
  const outbox = createJobOutbox(db, leaseSeconds);
  const heartbeatMs = (leaseSeconds * 1000) / 3;
  const consumers = new Map<JobName, Consumer>();
  const running = new Set<Promise<unknown>>();
  let stopper = new AbortController();
  let isStarted = false;
  let isStopping = false;
  let timer: NodeJS.Timeout | undefined;
  let unlisten: (() => Promise<void>) | undefined;
  let publishing: Promise<number> | undefined;
  let isPublishWanted = false;

  const assertStarted = () => {
    if (!isStarted) throw new Error('The job queue is not running: call start() first');
  };

  const publishAll = async (): Promise<number> => {
    let sent = 0;
    for (;;) {
      isPublishWanted = false;
      const batch = await outbox.takeUnpublished(PUBLISH_BATCH);
      const failed: string[] = [];
      let failure: unknown;
      await mapConcurrently(batch, SENDS_AT_ONCE, async ({ id, name, ...message }) => {
        const { idempotencyKey } = message;
        const delaySeconds = Math.min(RETENTION_SECONDS - 60, message.delaySeconds);
        const sending = { idempotencyKey, delaySeconds, retentionSeconds: RETENTION_SECONDS };
        await client.send(topics[name], { id }, sending).catch((error: unknown) => {
          failed.push(id);
          failure = error;
        });
      });
      const isFailed = new Set(failed);
      const published = batch.map(({ id }) => id).filter((id) => !isFailed.has(id));
      // A crash before this line sends them again, under the same keys.
      await outbox.markPublished(published);
      await outbox.giveUpPublishing(failed);
      sent += published.length;
      if (failed.length > 0) {
        isPublishWanted = false;
        logger.warn(
          { err: failure, count: failed.length },
          '[Jobs] messages cannot be sent; the next sweep tries again',
        );
        return sent;
      }
      if (batch.length < PUBLISH_BATCH && !isPublishWanted) return sent;
    }
  };

  /** One run at a time; whoever asks during a run is served by one more round of it. */
  const publish = (): Promise<number> => {
    isPublishWanted = true;
    publishing ??= publishAll().finally(() => {
      publishing = undefined;
      // Asked for after the last look.
      if (isPublishWanted) void publishQuietly();
    });
    return publishing;
  };
  const publishQuietly = () =>
    publish().catch((error: unknown) => {
      logger.error({ err: error }, '[Jobs] the outbox cannot be read; the next sweep tries again');
    });
  const sweep = async () => {
    try {
      const count = await outbox.republishOverdue(overdueSeconds);
      if (count > 0) logger.warn({ count }, '[Jobs] overdue jobs lost their messages; sent again');
    } catch (error) {
      logger.error({ err: error }, '[Jobs] overdue jobs cannot be looked for');
    }
    await publishQuietly();
  };

  const deliver = async (message: unknown, name: JobName, handler: Consumer['handler']) => {
    const id = typeof message === 'object' && message !== null ? Reflect.get(message, 'id') : null;
    // Not a message of ours, or not of this version: nothing would ever make it one.
    if (typeof id !== 'string' || !/^[0-9a-f-]{36}$/.test(id)) {
      logger.warn({ job: name }, '[Jobs] a message that names no job was dropped');
      return;
    }
    if (isStopping || !isStarted) throw new LaterError(1);
    const claim = await outbox.claim(id, name);
    if (claim.status === 'gone') return;
    if (claim.status === 'later') throw new LaterError(claim.seconds);
    const source = outbox.source(name);
    const { job } = claim;
    const { signal } = stopper;
    const outcome = await runJob({ name, source, job, handler, logger, heartbeatMs, signal });
    if (outcome === 'settled') return;
    const seconds = await outbox.dueInSeconds(id);
    if (seconds !== undefined) throw new LaterError(seconds);
  };

  /** A delivery that comes before its time is made again when the gate may be open. */
  const pass = async (gate: JobGate | undefined): Promise<void> => {
    const { permits, waitMs } = (await gate?.admit(1)) ?? { permits: 1, waitMs: 0 };
    if (permits === 0) throw new LaterError(waitMs / 1000);
  };

  /** Waits for a slot before it claims: a claim that waits would lose its lease. */
  const deliverInTurn = async (message: unknown, topic: string): Promise<void> => {
    const name = (Object.keys(topics) as JobName[]).find((each) => topics[each] === topic);
    const consumer = name && consumers.get(name);
    if (!name || !consumer) {
      throw new Error(`Nothing handles ${topic} here: start workers where deliveries arrive`);
    }
    const release = await consumer.slots.take();
    try {
      await pass(consumer.gate);
    } catch (error) {
      release();
      throw error;
    }
    const work = deliver(message, name, consumer.handler).finally(release);
    running.add(work);
    try {
      await work;
    } finally {
      running.delete(work);
    }
  };

  const handle = client.handleCallback<unknown>(
    (message, metadata) => deliverInTurn(message, metadata.topicName),
    {
      visibilityTimeoutSeconds: leaseSeconds,
      retry: (error) => (error instanceof LaterError ? { afterSeconds: error.seconds } : undefined),
    },
  );

  return {
    async start() {
      if (isStarted) return;
      isStopping = false;
      stopper = new AbortController();
      unlisten = await signals.listen(
        CHANNEL,
        () => void publishQuietly(),
        () => void sweep(),
      );
      timer = setInterval(() => void sweep(), sweepIntervalMs).unref();
      isStarted = true;
      // What a process that died has left behind.
      await sweep();
    },

    async enqueue(tx, name, jobs, enqueueOptions = {}) {
      assertStarted();
      if (jobs.length === 0) return;
      await outbox.insert(tx, name, jobs, enqueueOptions);
      // Sent by the database when, and only if, the transaction commits.
      await sql`select pg_notify(${CHANNEL}, '')`.execute(tx);
    },

    async work(name, concurrency, handler, gate) {
      assertStarted();
      consumers.set(name, { slots: createSlots(concurrency), handler, gate });
    },

    async drain(name, drainOptions) {
      assertStarted();
      return runJobSlice({
        ...drainOptions,
        name,
        source: outbox.source(name),
        logger,
        heartbeatMs,
      });
    },

    depth: (name) => outbox.depth(name),
    pending: (name, assetIds) => outbox.pending(name, assetIds),
    fetch: (request) => handle(request),
    publish,

    async stop(graceMs = DEFAULT_GRACE_MS) {
      if (!isStarted) return;
      isStopping = true;
      clearInterval(timer);
      await unlisten?.();
      await settled(running, graceMs);
      stopper.abort(new Error('The worker is stopping'));
      await settled(running, ABORT_GRACE_MS);
      await publishing?.catch(() => {});
      consumers.clear();
      isStarted = false;
    },
  };
}

async function settled(running: ReadonlySet<Promise<unknown>>, timeoutMs: number): Promise<void> {
  if (running.size === 0) return;
  const timeout = new AbortController();
  await Promise.race([
    Promise.allSettled(running),
    sleep(timeoutMs, undefined, { signal: timeout.signal }).catch(() => {}),
  ]);
  timeout.abort();
}
