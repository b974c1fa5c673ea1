import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Database, Tx } from '../database/schema.ts';
import type { ClaimedJob, JobSource } from './job-loop.ts';
import type { EnqueueOptions, JobData, JobName } from './queue.ts';

/** A process that publishes a batch and dies leaves it to the others after this. */
const PUBLISHING_SECONDS = 30;
/** A job given back is due again after 1 s, 2 s, 4 s … and at most this. */
const MAX_BACKOFF_SECONDS = 60;
/** Candidates looked at per claim: with ten processes at once, each finds one of its own. */
const CANDIDATES = 32;
/** A row that another one holds is looked at again after this. */
const BUSY_SECONDS = 2;

/** A message to send. Sent twice under one key, it is one message. */
export interface Publication {
  id: string;
  name: JobName;
  idempotencyKey: string;
  delaySeconds: number;
}

export type Claim =
  | { status: 'claimed'; job: ClaimedJob }
  /** Finished, or never committed. */
  | { status: 'gone' }
  /** Not due, or held by another worker, or its asset is at work in another job. */
  | { status: 'later'; seconds: number };

/**
 * Jobs as rows, for an engine whose messages live elsewhere. The row is the job: it is written in the
 * caller's transaction, claimed with a number that grows (the fencing token), and deleted in the
 * transaction of its result. A message says only that a row may be looked at: lost, doubled, late or
 * forged ones change nothing.
 */
export interface JobOutbox {
  insert(tx: Tx, name: JobName, jobs: readonly JobData[], options: EnqueueOptions): Promise<void>;
  claim(id: string, name: JobName): Promise<Claim>;
  /** Seconds until the row is due; undefined when it is gone. */
  dueInSeconds(id: string): Promise<number | undefined>;
  /** The due ones by priority, then age. */
  source(name: JobName): JobSource;
  /** Takes rows that have no message yet, for this process to publish. */
  takeUnpublished(limit: number): Promise<Publication[]>;
  markPublished(ids: readonly string[]): Promise<void>;
  /** They could not be sent: anyone may try again. */
  giveUpPublishing(ids: readonly string[]): Promise<void>;
  /** Rows overdue for so long, though published: their messages were lost or expired. */
  republishOverdue(overdueSeconds: number): Promise<number>;
  depth(name: JobName): Promise<number>;
  pending(name: JobName, assetIds: readonly string[]): Promise<Set<string>>;
}

/** Nobody has claimed it, nor another job of its asset. */
const isFree = sql<boolean>`(claimed_until is null or claimed_until < now())
  and not exists (
    select 1 from job_outbox as other
    where other.name = job_outbox.name and other.asset_id = job_outbox.asset_id
      and other.id <> job_outbox.id and other.claimed_until >= now()
  )`;

export function createJobOutbox(db: Database, leaseSeconds: number): JobOutbox {
  const inSeconds = (seconds: number) => sql<Date>`now() + ${seconds} * interval '1 second'`;

  /** The lock comes first, in a statement of its own: the next one then sees what its holder before did. */
  const claimRow = (row: { id: string; name: JobName; asset_id: string }) =>
    db.transaction().execute(async (tx) => {
      const { rows } = await sql<{ locked: boolean }>`select pg_try_advisory_xact_lock(
        hashtextextended('bulkhead-job:' || ${row.name} || ':' || ${row.asset_id}, 0)
      ) as locked`.execute(tx);
      if (!rows[0]?.locked) return undefined;
      const claimed = await tx
        .updateTable('job_outbox')
        .set({ claim: sql<number>`claim + 1`, claimed_until: inSeconds(leaseSeconds) })
        .where('id', '=', row.id)
        .where('due_at', '<=', sql<Date>`now()`)
        .where(isFree)
        .returning(['claim', 'machine_waits'])
        .executeTakeFirst();
      if (!claimed) return undefined;
      const data = { assetId: row.asset_id, machineWaits: claimed.machine_waits };
      return { id: row.id, retryCount: claimed.claim - 1, data } satisfies ClaimedJob;
    });

  return {
    async insert(tx, name, jobs, { startAfterSeconds = 0, priority = 0 }) {
      const ids = jobs.map(() => randomUUID());
      const assetIds = jobs.map((job) => job.assetId);
      const waits = jobs.map((job) => job.machineWaits ?? 0);
      await sql`insert into job_outbox (id, name, asset_id, machine_waits, priority, due_at)
        select id, ${name}, asset_id, waits, ${priority}::int,
          now() + ${startAfterSeconds}::float8 * interval '1 second'
        from unnest(${ids}::uuid[], ${assetIds}::text[], ${waits}::int[]) as job (id, asset_id, waits)`.execute(
        tx,
      );
    },

    async claim(id, name) {
      const row = await db
        .selectFrom('job_outbox')
        .select(['id', 'name', 'asset_id'])
        .select(sql<number>`extract(epoch from due_at - now())::float8`.as('due_in'))
        .where('id', '=', id)
        .where('name', '=', name)
        .executeTakeFirst();
      if (!row) return { status: 'gone' };
      if (row.due_in > 0) return { status: 'later', seconds: Math.ceil(row.due_in) };
      const job = await claimRow(row);
      return job ? { status: 'claimed', job } : { status: 'later', seconds: BUSY_SECONDS };
    },

    async dueInSeconds(id) {
      const row = await db
        .selectFrom('job_outbox')
        .select(sql<number>`extract(epoch from due_at - now())::float8`.as('due_in'))
        .where('id', '=', id)
        .executeTakeFirst();
      return row && Math.max(0, row.due_in);
    },

    source: (name) => ({
      async fetch(limit) {
        const jobs: ClaimedJob[] = [];
        for (;;) {
          const candidates = await db
            .selectFrom('job_outbox')
            .select(['id', 'name', 'asset_id'])
            .where('name', '=', name)
            .where('due_at', '<=', sql<Date>`now()`)
            .where(isFree)
            .orderBy('priority', 'desc')
            .orderBy('created_at')
            .orderBy('id')
            .limit(CANDIDATES)
            .execute();
          let claimed = 0;
          for (const candidate of candidates) {
            if (jobs.length === limit) return jobs;
            const job = await claimRow(candidate);
            if (!job) continue;
            jobs.push(job);
            claimed++;
          }
          // A full page of which others took everything is not looked behind: they are busy with it.
          if (candidates.length < CANDIDATES || claimed === 0) return jobs;
        }
      },
      async complete(jobs, tx = db as Tx) {
        const { rows } = await sql<{ id: string }>`
          delete from job_outbox using ${claimsOf(jobs)}
          where job_outbox.id = held.id and job_outbox.claim = held.claim
          returning job_outbox.id`.execute(tx);
        return new Set(rows.map((row) => row.id));
      },
      async fail(job) {
        const { id, claim } = held(job);
        const delay = Math.min(MAX_BACKOFF_SECONDS, 2 ** Math.min(job.retryCount, 10));
        const { numUpdatedRows } = await db
          .updateTable('job_outbox')
          .set({ claimed_until: null, due_at: inSeconds(delay) })
          .where('id', '=', id)
          .where('claim', '=', claim)
          .executeTakeFirst();
        return numUpdatedRows === 1n;
      },
      async touch(jobs) {
        const { rows } = await sql<{ id: string }>`
          update job_outbox set claimed_until = ${inSeconds(leaseSeconds)} from ${claimsOf(jobs)}
          where job_outbox.id = held.id and job_outbox.claim = held.claim
          returning job_outbox.id`.execute(db);
        return new Set(rows.map((row) => row.id));
      },
      async release(jobs) {
        // As if never claimed: the number of the claim is free again.
        await sql`
          update job_outbox set claimed_until = null, claim = job_outbox.claim - 1
          from ${claimsOf(jobs)}
          where job_outbox.id = held.id and job_outbox.claim = held.claim`.execute(db);
      },
    }),

    async takeUnpublished(limit) {
      const { rows } = await sql<{
        id: string;
        name: JobName;
        publish_count: number;
        delay: number;
      }>`
        update job_outbox
        set publishing_until = now() + ${PUBLISHING_SECONDS} * interval '1 second'
        where id in (
          select id from job_outbox
          where published_at is null and (publishing_until is null or publishing_until < now())
          order by created_at limit ${limit} for update skip locked
        )
        returning id, name, publish_count,
          greatest(0, ceil(extract(epoch from due_at - now())))::int as delay`.execute(db);
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        idempotencyKey: `${row.id}.${row.publish_count}`,
        delaySeconds: row.delay,
      }));
    },

    async markPublished(ids) {
      if (ids.length === 0) return;
      await db
        .updateTable('job_outbox')
        .set({ published_at: sql<Date>`now()`, publishing_until: null })
        .where('id', 'in', ids)
        .execute();
    },

    async giveUpPublishing(ids) {
      if (ids.length === 0) return;
      await db
        .updateTable('job_outbox')
        .set({ publishing_until: null })
        .where('id', 'in', ids)
        .execute();
    },

    async republishOverdue(overdueSeconds) {
      const since = sql<Date>`now() - ${overdueSeconds} * interval '1 second'`;
      const { numUpdatedRows } = await db
        .updateTable('job_outbox')
        .set({ published_at: null, publish_count: sql<number>`publish_count + 1` })
        .where('published_at', '<', since)
        .where('due_at', '<', since)
        .where(({ or, eb }) =>
          or([eb('claimed_until', 'is', null), eb('claimed_until', '<', sql<Date>`now()`)]),
        )
        .executeTakeFirst();
      return Number(numUpdatedRows);
    },

    async depth(name) {
      const { count } = await db
        .selectFrom('job_outbox')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('name', '=', name)
        .executeTakeFirstOrThrow();
      return count;
    },

    async pending(name, assetIds) {
      const rows = await db
        .selectFrom('job_outbox')
        .select('asset_id')
        .distinct()
        .where('name', '=', name)
        .where('asset_id', '=', sql<string>`any(${[...assetIds]}::text[])`)
        .execute();
      return new Set(rows.map((row) => row.asset_id));
    },
  };
}

const held = (job: ClaimedJob) => ({ id: job.id, claim: job.retryCount + 1 });

/** As a table `held (id, claim)`. */
function claimsOf(jobs: readonly ClaimedJob[]) {
  const claims = jobs.map(held);
  return sql`unnest(
    ${claims.map(({ id }) => id)}::uuid[], ${claims.map(({ claim }) => claim)}::int[]
  ) as held (id, claim)`;
}
