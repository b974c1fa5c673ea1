import { CREDENTIAL_TTL_SECONDS } from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobStore, UnfinishedUpload } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { Queue } from '../jobs/queue.ts';
import type { Logger } from '../logging.ts';
import { fileProblem } from '../problem-error.ts';
import { type ObjectSweepReport, sweepObjects } from './sweep-objects.ts';
import { usageCutoff } from './usage.ts';

/**
 * A PUT that began in time may take hours on a slow line, and a laptop may sleep over night before
 * it finalizes: a reservation is given up a day after its URL has expired.
 */
export const SWEEP_GRACE_MS = 24 * 60 * 60 * 1000;
/** Objects without a row are left alone at least this long: two lifetimes of a credential, and six hours. */
export const ORPHAN_GRACE_MS = 2 * CREDENTIAL_TTL_SECONDS * 1000 + 6 * 60 * 60 * 1000;
/** Above what S3 lets a list of unfinished multipart uploads have, to bound a run. */
const MAX_ABORTED = 1000;
const BATCH = 500;
/** Marks finalized duplicates whose leftover object has been seen to. */
const NEVER = '9999-12-31T00:00:00.000Z';

export interface SweepParts {
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  changes: ChangeFeed;
  clock: Clock;
  logger: Logger;
  /**
   * Default {@link SWEEP_GRACE_MS}; never below twice a credential's lifetime. Objects without a row and
   * unfinished multipart uploads get it too, and {@link ORPHAN_GRACE_MS} at least.
   */
  graceMs?: number;
  /** Default 0.5: when more than that share of a page of objects has no row, nothing is deleted. */
  maxOrphanShare?: number;
}

export interface SweepReport extends ObjectSweepReport {
  /** Reservations that were given up. */
  reservations: number;
  /** Multipart uploads that were aborted. */
  multiparts: number;
}

/**
 * Removes what uploads left behind: reservations nobody finalized with their objects, objects that no row
 * needs, unfinished multipart uploads; and flags assets whose object is gone. Never an asset's object.
 * Bounded: a large store is walked over several runs. Safe to run on any number of processes at once.
 */
export async function sweepUploads(parts: SweepParts): Promise<SweepReport> {
  const { db, blobs, clock, logger, graceMs = SWEEP_GRACE_MS, maxOrphanShare = 0.5 } = parts;
  const reservations = await sweepReservations(parts);
  const orphanGraceMs = Math.max(graceMs, ORPHAN_GRACE_MS);
  const objects = await sweepObjects({ ...parts, orphanGraceMs, maxOrphanShare });
  const multiparts =
    (await blobs.abortUnfinished?.(clock() - orphanGraceMs, MAX_ABORTED, (unfinished) =>
      neededOf(db, unfinished),
    )) ?? 0;
  if (multiparts > 0) logger.info({ multiparts }, 'Aborted multipart uploads nobody completed');
  return { reservations, ...objects, multiparts };
}

/** Those whose reservation stands: every part that is asked for renews it, however long ago they began. */
async function neededOf(
  db: Database,
  unfinished: readonly UnfinishedUpload[],
): Promise<Set<string>> {
  const rows = await db
    .selectFrom('uploads')
    .select('multipart_id')
    .where(sql<boolean>`key collate "C" = any(${unfinished.map(({ key }) => key)}::text[])`)
    .where('state', '=', 'pending')
    .execute();
  return new Set(rows.flatMap(({ multipart_id }) => multipart_id ?? []));
}

/**
 * Reservations nobody finalized, and objects of duplicates and rejected uploads whose deletion was cut short.
 *
 * A crash at any line is repaired by the next sweep: the state is settled first, so that no finalize can
 * accept the object any more; then the object goes; then the row.
 */
async function sweepReservations(parts: SweepParts): Promise<number> {
  const { db, blobs, clock, logger, graceMs = SWEEP_GRACE_MS } = parts;
  const cutoff = new Date(clock() - graceMs);

  const expired = await db
    .updateTable('uploads')
    .set({
      state: 'rejected',
      error: JSON.stringify(fileProblem('not_found', 'The upload was given up: it took too long')),
    })
    .where('state', '=', 'pending')
    .where('expires_at', '<', cutoff)
    .executeTakeFirst();

  for (;;) {
    const rejected = await db
      .selectFrom('uploads')
      .select(['id', 'key', 'multipart_id'])
      .where('state', '=', 'rejected')
      .where('expires_at', '<', cutoff)
      .limit(BATCH)
      .execute();
    if (rejected.length === 0) break;
    for (const { key, multipart_id } of rejected) {
      if (multipart_id === null) continue;
      // What is left of it is found again among the unfinished ones.
      await blobs.multipart?.abort(key, multipart_id).catch((error: unknown) => {
        logger.warn({ err: error }, 'An upload in parts could not be aborted yet');
      });
    }
    await blobs.delete(rejected.map((row) => row.key));
    const ids = rejected.map((row) => row.id);
    await db.deleteFrom('uploads').where('id', 'in', ids).execute();
  }

  for (;;) {
    const duplicates = await db
      .selectFrom('uploads')
      .select(['id', 'key'])
      .where('state', '=', 'finalized')
      .where('is_duplicate', '=', true)
      .where('expires_at', '<', cutoff)
      .limit(BATCH)
      .execute();
    if (duplicates.length === 0) break;
    await blobs.delete(duplicates.map((row) => row.key));
    const ids = duplicates.map((row) => row.id);
    await db.updateTable('uploads').set({ expires_at: NEVER }).where('id', 'in', ids).execute();
  }

  await db.deleteFrom('upload_usage').where('hour', '<=', usageCutoff(clock())).execute();

  const count = Number(expired.numUpdatedRows);
  if (count > 0) logger.info({ reservations: count }, 'Swept uploads that were never finalized');
  return count;
}
