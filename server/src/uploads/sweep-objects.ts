import { sql } from 'kysely';
import type { BlobEntry, BlobStore } from '../blobs/blob-store.ts';
import { isKey, originalOf } from '../blobs/keys.ts';
import type { Clock } from '../clock.ts';
import type { AssetRow, Database } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { Queue } from '../jobs/queue.ts';
import type { Logger } from '../logging.ts';
import { absentOf, flagMissing, unflagMissing } from './missing-blobs.ts';
import { takeSweepLease } from './sweep-lease.ts';

/** Every key begins with it; what else is in the store is not ours. */
const PREFIX = 'u/';
/** Objects of a run: 20 pages of 1,000. The next run goes on where this one ended. */
const MAX_PAGES = 20;
const ASSET_PAGE = 1000;
/** Assets of a run that the store is asked for one by one. */
const MAX_ASKED = 5000;
/** Fewer orphans of a page than these are believed, whatever their share. */
const BELIEVABLE_ORPHANS = 100;

export interface ObjectSweepParts {
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  changes: ChangeFeed;
  clock: Clock;
  logger: Logger;
  /** Younger objects are left alone, by the store's clock. */
  orphanGraceMs: number;
  /** Of a page's objects. More orphans than that are a wrong database rather than litter: nothing is deleted. */
  maxOrphanShare: number;
}

export interface ObjectSweepReport {
  /** Objects deleted that no row needs: originals and derivatives. */
  orphans: number;
  /** Assets flagged, because the store does not have their bytes. */
  missing: number;
  /** Assets whose bytes are there again. */
  found: number;
}

/**
 * Walks the store's list and the database's keys side by side, in pages: objects that no row needs are deleted,
 * rows whose object is gone are flagged. One process at a time walks; the place is kept in the database.
 *
 * No finalize can lose an object to it: keys are random and never reserved twice, so an object without a row
 * stays without one; what has a pending row is not touched; and a reservation becomes an asset in one
 * transaction, of which one statement sees all or nothing.
 */
export async function sweepObjects(parts: ObjectSweepParts): Promise<ObjectSweepReport> {
  const { db, blobs, logger } = parts;
  const report: ObjectSweepReport = { orphans: 0, missing: 0, found: 0 };
  const lease = await takeSweepLease(db, 'objects');
  if (!lease) return report;
  try {
    let { cursor, doneKey } = lease.place;
    let asked = 0;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const page = await blobs.list(PREFIX, cursor ?? undefined);
      const keys = new Set(page.entries.map((entry) => entry.key));
      const last = page.next === undefined ? undefined : page.entries.at(-1)?.key;
      report.orphans += await deleteOrphans(parts, page.entries);
      report.found += await unflagFound(parts, [...keys]);
      for (;;) {
        const assets = await assetsBetween(db, doneKey, last);
        const unlisted = assets.filter((asset) => !keys.has(asset.key));
        asked += unlisted.length;
        report.missing += await flagAbsent(parts, unlisted);
        const reached = assets.at(-1)?.key;
        if (reached === undefined || assets.length < ASSET_PAGE) break;
        doneKey = reached;
        // The page is not done: the next run lists it once more and goes on behind this key.
        if (!(await lease.save({ cursor, doneKey })) || asked >= MAX_ASKED) return report;
      }
      cursor = page.next ?? null;
      doneKey = last ?? '';
      if (!(await lease.save({ cursor, doneKey })) || cursor === null) break;
    }
    return report;
  } finally {
    await lease.release();
    if (report.orphans > 0) logger.info({ ...report }, 'Swept objects that no asset needs');
  }
}

async function deleteOrphans(
  { db, blobs, clock, logger, orphanGraceMs, maxOrphanShare }: ObjectSweepParts,
  entries: readonly BlobEntry[],
): Promise<number> {
  const before = clock() - orphanGraceMs;
  const old = entries.filter(({ key, modifiedAtMs }) => isKey(key) && modifiedAtMs < before);
  if (old.length === 0) return 0;
  const originals = [...new Set(old.map(({ key }) => originalOf(key)))];
  const { rows } = await sql<{ key: string }>`
    select key from assets where key collate "C" = any(${originals}::text[])
    union
    select key from uploads
    where key collate "C" = any(${originals}::text[]) and state <> 'finalized'`.execute(db);
  const needed = new Set(rows.map((row) => row.key));
  const orphans = old.map(({ key }) => key).filter((key) => !needed.has(originalOf(key)));
  if (orphans.length > Math.max(BELIEVABLE_ORPHANS, entries.length * maxOrphanShare)) {
    logger.error(
      { orphans: orphans.length, listed: entries.length },
      'Most objects in the store have no row. Nothing was deleted: does another database share the store, or was this one restored? Otherwise raise the limit maxOrphanShare',
    );
    return 0;
  }
  if (orphans.length > 0) await blobs.delete(orphans);
  return orphans.length;
}

type KeyedAsset = Pick<AssetRow, 'id' | 'user_id' | 'key' | 'blob_missing_at'>;

/** After one key and up to another, in the order of the store's list. */
async function assetsBetween(
  db: Database,
  after: string,
  upTo: string | undefined,
): Promise<KeyedAsset[]> {
  const { rows } = await sql<KeyedAsset>`
    select id, user_id, key, blob_missing_at from assets
    where key collate "C" > ${after}
      ${upTo === undefined ? sql`` : sql`and key collate "C" <= ${upTo}`}
    order by key collate "C" limit ${ASSET_PAGE}`.execute(db);
  return rows;
}

async function flagAbsent(
  { db, blobs, changes, clock, logger }: ObjectSweepParts,
  unlisted: readonly KeyedAsset[],
): Promise<number> {
  const suspects = unlisted.filter((asset) => asset.blob_missing_at === null);
  // The list was read first: whatever was stored since is there when asked for.
  const absent = new Set(await absentOf(blobs, suspects));
  if (absent.size === 0) return 0;
  const lost = suspects.filter(({ id }) => absent.has(id));
  const users = await flagMissing(db, lost, new Date(clock()));
  changes.changed(new Set(users));
  if (users.length > 0) {
    const fields = { missing: users.length, assetIds: [...absent].slice(0, 10) };
    logger.error(fields, `The object store does not have the bytes of ${users.length} assets`);
  }
  return users.length;
}

async function unflagFound(
  { db, queue, changes, logger }: ObjectSweepParts,
  keys: readonly string[],
): Promise<number> {
  const { rows } = await sql<KeyedAsset>`
    select id, user_id, key from assets
    where key collate "C" = any(${keys}::text[]) and blob_missing_at is not null`.execute(db);
  if (rows.length === 0) return 0;
  const users = await unflagMissing(db, queue, rows);
  changes.changed(new Set(users));
  logger.warn({ found: users.length }, `The bytes of ${users.length} assets are there again`);
  return users.length;
}
