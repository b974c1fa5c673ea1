import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { JobName, Queue } from '../jobs/queue.ts';
import { WORKER_BEAT_MS } from '../jobs/worker-registry.ts';
import type { CauseCount, DeadLetters } from '../library/dead-letters.ts';

/** Everyone who asks within this shares one look at the database. */
const MAX_AGE_MS = 2000;
/** Over what rates are taken. */
const WINDOW_SECONDS = 300;
/** Three missed beats: the process is gone, or hangs. */
const ALIVE_SECONDS = (3 * WORKER_BEAT_MS) / 1000;

export interface QueueStatus {
  name: JobName;
  /** Jobs waiting or running. */
  depth: number;
  /** Assets that wait for this stage. More than `depth` means that jobs were lost. */
  waiting: number;
  /** Age of the oldest asset among them; null when none waits. */
  oldestAgeSeconds: number | null;
}

export interface AdminStatus {
  /** ISO 8601. */
  generatedAt: string;
  totals: { assets: number; searchable: number; failed: number; pendingUploads: number };
  queues: QueueStatus[];
  /** Over the last five minutes, per minute. */
  rates: { arrived: number; searchable: number; failed: number };
  failures: CauseCount[];
  /** Those that were alive within a day, the last seen first. */
  workers: {
    id: string;
    host: string;
    pid: number;
    processConcurrency: number;
    embedConcurrency: number;
    startedAt: string;
    seenSecondsAgo: number;
    isAlive: boolean;
  }[];
  sweeps: { name: string; ranAt: string; swept: number; error: string | null }[];
}

export interface StatusReader {
  read(): Promise<AdminStatus>;
}

/** What the operator sees, over all users: counts and causes, no names of users or files. */
export function createStatusReader(parts: {
  db: Database;
  queue: Queue;
  deadLetters: DeadLetters;
  clock: Clock;
}): StatusReader {
  const { db, queue, deadLetters, clock } = parts;
  let last: { atMs: number; status: Promise<AdminStatus> } | undefined;

  const look = async (): Promise<AdminStatus> => {
    const [counts, uploads, failures, workers, sweeps, processDepth, embedDepth] =
      await Promise.all([
        countAssets(db),
        db
          .selectFrom('uploads')
          .select(({ fn }) => fn.countAll<number>().as('count'))
          .where('state', '=', 'pending')
          .executeTakeFirstOrThrow(),
        deadLetters.causes(),
        db
          .selectFrom('workers')
          .selectAll()
          .select(sql<number>`extract(epoch from now() - seen_at)::float8`.as('silent_seconds'))
          .where('seen_at', '>', sql<Date>`now() - interval '1 day'`)
          .orderBy('seen_at', 'desc')
          .limit(100)
          .execute(),
        db.selectFrom('sweep_runs').selectAll().orderBy('name').execute(),
        queue.depth('process'),
        queue.depth('embed'),
      ]);
    const perMinute = (count: number) => Math.round((count * 600) / WINDOW_SECONDS) / 10;
    return {
      generatedAt: new Date(clock()).toISOString(),
      totals: {
        assets: counts.assets,
        searchable: counts.searchable,
        failed: counts.failed,
        pendingUploads: uploads.count,
      },
      queues: [
        {
          name: 'process',
          depth: processDepth,
          waiting: counts.to_process,
          oldestAgeSeconds: counts.process_age,
        },
        {
          name: 'embed',
          depth: embedDepth,
          waiting: counts.to_embed,
          oldestAgeSeconds: counts.embed_age,
        },
      ],
      rates: {
        arrived: perMinute(counts.arrived_lately),
        searchable: perMinute(counts.searchable_lately),
        failed: perMinute(counts.failed_lately),
      },
      failures,
      workers: workers.map((row) => ({
        id: row.id,
        host: row.host,
        pid: row.pid,
        processConcurrency: row.process_concurrency,
        embedConcurrency: row.embed_concurrency,
        startedAt: row.started_at.toISOString(),
        seenSecondsAgo: Math.max(0, Math.round(row.silent_seconds)),
        isAlive: row.silent_seconds < ALIVE_SECONDS,
      })),
      sweeps: sweeps.map(({ ran_at, ...row }) => ({ ...row, ranAt: ran_at.toISOString() })),
    };
  };

  return {
    read() {
      const nowMs = clock();
      const ageMs = last ? nowMs - last.atMs : Number.POSITIVE_INFINITY;
      if (last && ageMs >= 0 && ageMs < MAX_AGE_MS) return last.status;
      const entry = { atMs: nowMs, status: look() };
      last = entry;
      entry.status.catch(() => {
        if (last === entry) last = undefined;
      });
      return entry.status;
    },
  };
}

/** One pass over the table. A stage's age counts from the asset's arrival: that is what its owner waits. */
async function countAssets(db: Database) {
  const { rows } = await sql<{
    assets: number;
    searchable: number;
    failed: number;
    to_process: number;
    to_embed: number;
    process_age: number | null;
    embed_age: number | null;
    arrived_lately: number;
    searchable_lately: number;
    failed_lately: number;
  }>`
    with lately as (select now() - ${WINDOW_SECONDS} * interval '1 second' as since)
    select
      count(*) as assets,
      count(*) filter (where embedded) as searchable,
      count(*) filter (where failed) as failed,
      count(*) filter (where not processed and not failed) as to_process,
      count(*) filter (where processed and not embedded and not failed) as to_embed,
      extract(epoch from now() - min(created_at) filter (where not processed and not failed)
        )::float8 as process_age,
      extract(epoch from now() - min(created_at)
        filter (where processed and not embedded and not failed))::float8 as embed_age,
      count(*) filter (where created_at > since) as arrived_lately,
      count(*) filter (where embedded and updated_at > since) as searchable_lately,
      count(*) filter (where failed and updated_at > since) as failed_lately
    from assets cross join lately`.execute(db);
  const [row] = rows;
  if (!row) throw new Error('An aggregate gave no row');
  return row;
}
