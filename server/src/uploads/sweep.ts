import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Logger } from '../logging.ts';
import { fileProblem } from '../problem-error.ts';
import { usageCutoff } from './usage.ts';

/**
 * A PUT that began in time may take hours on a slow line, and a laptop may sleep over night before
 * it finalizes: a reservation is given up a day after its URL has expired.
 */
export const SWEEP_GRACE_MS = 24 * 60 * 60 * 1000;
const BATCH = 500;
/** Marks finalized duplicates whose leftover object has been seen to. */
const NEVER = '9999-12-31T00:00:00.000Z';

export interface SweepParts {
  db: Database;
  blobs: BlobStore;
  clock: Clock;
  logger: Logger;
  /** Default {@link SWEEP_GRACE_MS}; never below twice a credential's lifetime. */
  graceMs?: number;
}

/**
 * Removes what uploads left behind: reservations nobody finalized with their objects, and objects
 * of duplicates and rejected uploads whose deletion was cut short. Never an asset's object.
 *
 * A crash at any line is repaired by the next sweep: the state is settled first, so that no
 * finalize can accept the object any more; then the object goes; then the row.
 * @returns how many reservations were given up.
 */
export async function sweepUploads(parts: SweepParts): Promise<number> {
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
      .select(['id', 'key'])
      .where('state', '=', 'rejected')
      .where('expires_at', '<', cutoff)
      .limit(BATCH)
      .execute();
    if (rejected.length === 0) break;
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
