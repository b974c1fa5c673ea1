import { fromKysely, PgBoss } from 'pg-boss';
import type { OpenDatabase } from '../database/open-database.ts';
import type { Logger } from '../logging.ts';
import { type ClaimedJob, type JobLoop, type JobSource, startJobLoop } from './job-loop.ts';
import { runJobSlice } from './job-slice.ts';
import { createPgBossDatabase } from './pg-boss-database.ts';
import type { EnqueueOptions, JobData, JobName, Queue } from './queue.ts';

/** What `createPgBossQueue` takes. */
export interface PgBossQueueOptions {
  /** Open; the queue neither opens nor closes it. */
  database: Pick<OpenDatabase, 'engine' | 'signals'>;
  logger: Logger;
  /**
   * Whether no other queue works on this database, so that a job found running at start belongs to
   * a process that died, and is delivered again at once instead of after its lease. Default: on an
   * embedded database, which has one process.
   */
  isSoleWorker?: boolean;
  /** Longest wait for a job that became due by time. Default 500 ms; new jobs wake workers at once. */
  pollIntervalMs?: number;
}

const JOB_NAMES: readonly JobName[] = ['process', 'embed'];
const SCHEMA = 'pgboss';

/** A job whose worker went silent for so long is delivered again. 10 is the library's least. */
const LEASE_SECONDS = 10;
/** Leases are renewed three times within their length. */
const HEARTBEAT_MS = (LEASE_SECONDS * 1000) / 3;
/** How often lapsed leases are looked for. */
const SUPERVISE_SECONDS = 2;
/** A handler that hangs, though its process lives, loses its job after this. */
const EXPIRE_SECONDS = 15 * 60;
const DEFAULT_GRACE_MS = 5000;
/**
 * Processes that start at once on an empty database make the same schema, and PostgreSQL lets one of them win. The
 * others wait a second, then two, then four.
 */
const START_ATTEMPTS = 4;

const QUEUE_OPTIONS = {
  // At most one running job per asset (its singletonKey); any number may wait.
  policy: 'singleton',
  notify: true,
  heartbeatSeconds: LEASE_SECONDS,
  expireInSeconds: EXPIRE_SECONDS,
  // Handlers decide what is permanent; the queue itself never gives a job up.
  retryLimit: 1_000_000,
  retryDelay: 1,
  retryBackoff: true,
  retryDelayMax: 60,
  retentionSeconds: 365 * 24 * 3600,
  // The asset's row is the record of what happened; a finished job is of no further use.
  deleteAfterSeconds: 300,
  // A backlog is the normal state of a bulk upload, no reason for a warning every two seconds.
  warningQueueSize: 10_000_000,
} as const;

/**
 * Deleted jobs leave dead rows, and PGlite has no autovacuum: without this the file would grow for
 * ever. 60 ms after 6,000 jobs (measured), so at this pace nobody notices.
 */
const VACUUM_EVERY_MS = 10 * 60 * 1000;

/** Counted one by one to here: 2 ms, where a million would take 200. */
const EXACT_DEPTH = 10_000;

/** The states are those of its index on live jobs; its monitor counts all of them every two seconds. */
const DEPTH = `
  select case when n <= ${EXACT_DEPTH} then n
    else greatest(n, (select queued_count + active_count from ${SCHEMA}.queue where name = $1)) end::int as depth
  from (select count(*) as n from (
    select from ${SCHEMA}.job where name = $1 and state in ('created', 'retry', 'active')
    limit ${EXACT_DEPTH + 1}
  ) as live) as counted`;

/** Asset by asset, in its index of what waits, then in that of what runs: never through all jobs. */
const PENDING = `
  select asset_id from unnest($2::text[]) as asset_id cross join lateral (
    select from ${SCHEMA}.job where name = $1 and state < 'active' and singleton_key = asset_id limit 1
  ) as waiting
  union
  select asset_id from unnest($2::text[]) as asset_id cross join lateral (
    select from ${SCHEMA}.job where name = $1 and state = 'active' and policy = 'singleton'
      and coalesce(singleton_key, '') = asset_id limit 1
  ) as running`;

/** pg-boss on either engine: jobs are enqueued, and settled, in the caller's transactions. */
export function createPgBossQueue(options: PgBossQueueOptions): Queue {
  const { database, logger, pollIntervalMs = 500 } = options;
  const isEmbedded = database.engine.kind === 'pglite';
  const { isSoleWorker = isEmbedded } = options;
  const loops = new Map<JobName, JobLoop[]>();
  let vacuumTimer: NodeJS.Timeout | undefined;
  let isStarted = false;
  let stopping: Promise<void> | undefined;

  const boss = new PgBoss({
    db: createPgBossDatabase(database, (name) => {
      for (const loop of loops.get(name as JobName) ?? []) loop.wake();
    }),
    backend: isEmbedded ? 'pglite' : 'postgres',
    schema: SCHEMA,
    useListenNotify: true,
    schedule: false,
    registerInstance: false,
    monitorVacuum: false,
    reindex: false,
    superviseIntervalSeconds: SUPERVISE_SECONDS,
    // The search for lapsed leases runs with the monitor: both intervals must be short.
    monitorIntervalSeconds: SUPERVISE_SECONDS,
    maintenanceIntervalSeconds: 60,
    flowIntervalSeconds: 3600,
  });
  boss.on('error', (error) => logger.error({ err: error }, '[Jobs] queue error'));
  boss.on('warning', (warning) => logger.warn({ warning }, '[Jobs] queue warning'));

  function assertStarted(): void {
    // pg-boss would ask the database for the queue's settings, on its own connection: inside a
    // transaction on PGlite that waits for ever.
    if (!isStarted) throw new Error('The job queue is not running: call start() first');
  }

  async function sql<Row>(text: string, values: unknown[]): Promise<Row[]> {
    return (await boss.getDb().executeSql(text, values)).rows as Row[];
  }

  return {
    get isStarted() {
      return isStarted;
    },

    async start() {
      if (isStarted) return;
      await boss.start({ attempts: isEmbedded ? 1 : START_ATTEMPTS });
      for (const name of JOB_NAMES) {
        await boss.createQueue(name, QUEUE_OPTIONS);
        if (isSoleWorker) await releaseOrphans(name);
      }
      if (isEmbedded) vacuumTimer = setInterval(() => void vacuum(), VACUUM_EVERY_MS).unref();
      isStarted = true;
    },

    async enqueue(tx, name, jobs, enqueueOptions: EnqueueOptions = {}) {
      assertStarted();
      if (jobs.length === 0) return;
      const { startAfterSeconds = 0, priority = 0 } = enqueueOptions;
      await boss.insert(
        name,
        jobs.map((data) => ({
          data,
          singletonKey: data.assetId,
          priority,
          ...(startAfterSeconds > 0 && { startAfter: startAfterSeconds }),
        })),
        { db: fromKysely(tx) },
      );
    },

    async work(name, concurrency, handler, gate) {
      assertStarted();
      const loop = startJobLoop({
        name,
        source: createSource(boss, name),
        concurrency,
        handler,
        logger,
        pollIntervalMs,
        heartbeatMs: HEARTBEAT_MS,
        gate,
      });
      loops.set(name, [...(loops.get(name) ?? []), loop]);
    },

    async drain(name, drainOptions) {
      assertStarted();
      const source = createSource(boss, name);
      return runJobSlice({ ...drainOptions, name, source, logger, heartbeatMs: HEARTBEAT_MS });
    },

    async depth(name) {
      const [row] = await sql<{ depth: number }>(DEPTH, [name]);
      return row?.depth ?? 0;
    },

    async pending(name, assetIds, tx) {
      const values = [name, [...assetIds]];
      const rows = tx
        ? (await fromKysely(tx).executeSql(PENDING, values)).rows
        : await sql<{ asset_id: string }>(PENDING, values);
      return new Set(rows.map((row) => row.asset_id as string));
    },

    async stop(graceMs = DEFAULT_GRACE_MS) {
      if (isStarted) stopping ??= stopAll(graceMs);
      await stopping;
    },
  };

  /** Until its handlers have ended the queue still takes jobs: their next stage, their retries. */
  async function stopAll(graceMs: number): Promise<void> {
    clearInterval(vacuumTimer);
    await Promise.all([...loops.values()].flat().map((loop) => loop.stop(graceMs)));
    loops.clear();
    isStarted = false;
    await boss.stop({ graceful: false });
    stopping = undefined;
  }

  async function releaseOrphans(name: JobName): Promise<void> {
    const rows = await sql<{ id: string }>(
      `select id from ${SCHEMA}.job where name = $1 and state = 'active'`,
      [name],
    );
    if (rows.length === 0) return;
    const ids = rows.map((row) => row.id);
    await boss.fail(name, ids, { message: 'The process that ran the job ended' });
    logger.info({ job: name, count: ids.length }, '[Jobs] took over jobs of a process that ended');
  }

  async function vacuum(): Promise<void> {
    try {
      // Without values, the adapter takes PGlite's simple protocol, outside a transaction block.
      for (const table of ['job', 'queue']) {
        await boss.getDb().executeSql(`vacuum (analyze) ${SCHEMA}.${table}`);
      }
    } catch (error) {
      logger.warn({ err: error }, '[Jobs] cannot vacuum the job tables');
    }
  }
}

function createSource(boss: PgBoss, name: JobName): JobSource {
  return {
    async fetch(limit) {
      const jobs = await boss.fetch<JobData>(name, { batchSize: limit, includeMetadata: true });
      // The right jobs come, but in any order: claiming updates rows, and that has none.
      return jobs.sort(
        (a, b) => b.priority - a.priority || a.createdOn.getTime() - b.createdOn.getTime(),
      );
    },
    complete: async (jobs, tx) =>
      settledIds(await boss.complete(name, jobs.map(claimOf), null, tx && { db: fromKysely(tx) })),
    fail: async (job, error) =>
      settledIds(await boss.fail(name, claimOf(job), describe(error))).has(job.id),
    touch: async (jobs) => settledIds(await boss.touch(name, jobs.map(claimOf))),
    async release(jobs) {
      // As if never claimed. Nobody works on them, so the same retry count may be claimed again.
      await boss.getDb().executeSql(
        `update ${SCHEMA}.job set state = 'created', started_on = null, heartbeat_on = null
         from unnest($2::uuid[], $3::int[]) as claim (id, retries)
         where job.name = $1 and job.id = claim.id and job.retry_count = claim.retries
           and job.state = 'active'`,
        [name, jobs.map((job) => job.id), jobs.map((job) => job.retryCount)],
      );
    },
  };
}

/** With the retry count beside the id, pg-boss settles this claim and no later one. */
function claimOf(job: ClaimedJob): { id: string; retryCount: number } {
  return { id: job.id, retryCount: job.retryCount };
}

/** pg-boss answers which jobs a command touched, though its types do not say so. */
function settledIds(response: { settled?: string[] }): ReadonlySet<string> {
  return new Set(response.settled);
}

function describe(error: unknown): { message: string } {
  return { message: error instanceof Error ? error.message : String(error) };
}
