import type { FileProblem, FinalizedAsset, FinalizeItem, FinalizeResult } from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import { mapConcurrently } from '../concurrency.ts';
import { changeAssets } from '../database/change-assets.ts';
import type { AssetRow, Database, Tx, UploadRow } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { Queue } from '../jobs/queue.ts';
import type { AssetView } from '../library/asset-view.ts';
import { searchWordsOf } from '../library/words.ts';
import type { Logger } from '../logging.ts';
import { fileProblem } from '../problem-error.ts';
import { admitFiles, describeExceeded, type Quotas } from '../rate-limit/quota.ts';
import { type Inspection, inspectObject } from './inspect-object.ts';
import { absentOf, reattach } from './missing-blobs.ts';
import { chargeUsage, lockUsage, readUsage } from './usage.ts';

/** Objects looked at in the store at once, per request. */
const STORE_CONCURRENCY = 16;

export interface FinalizerParts {
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  view: AssetView;
  changes: ChangeFeed;
  quotas: Quotas;
  clock: Clock;
  logger: Logger;
}

/** Turns uploaded objects into assets. */
export interface Finalizer {
  /**
   * One result per item, in their order. Whatever is repeated, or runs at the same time, gets the
   * same answer: an upload becomes one asset with one job.
   */
  finalize(userId: string, items: readonly FinalizeItem[]): Promise<FinalizeResult[]>;
}

type Outcome = { asset: FinalizedAsset } | { problem: FileProblem };
type Accepted = { row: UploadRow; mimeType: string };

export function createFinalizer(parts: FinalizerParts): Finalizer {
  const { db, blobs, queue, view, changes, quotas, clock, logger } = parts;

  const reservations = async (userId: string, ids: readonly string[]) => {
    const rows = await db
      .selectFrom('uploads')
      .selectAll()
      .where('user_id', '=', userId)
      .where('id', 'in', ids)
      .execute();
    return new Map(rows.map((row) => [row.id, row]));
  };

  /** What reservations that are no longer pending came to; null for those that still are. */
  const settled = async (userId: string, rows: Iterable<UploadRow>) => {
    const finalized = [...rows].filter((row) => row.state === 'finalized');
    const assetIds = finalized.flatMap((row) => row.asset_id ?? []);
    const assets =
      assetIds.length === 0
        ? []
        : await db
            .selectFrom('assets')
            .selectAll()
            .where('user_id', '=', userId)
            .where('id', 'in', assetIds)
            .execute();
    const byId = new Map(assets.map((asset) => [asset.id, asset]));
    return async (row: UploadRow | undefined): Promise<Outcome | null> => {
      if (!row) return { problem: fileProblem('not_found', 'There is no such upload') };
      if (row.state === 'pending') return null;
      if (row.state === 'rejected') return { problem: row.error ?? fileProblem('not_found') };
      const asset = row.asset_id === null ? undefined : byId.get(row.asset_id);
      if (!asset) return { problem: fileProblem('not_found') };
      return { asset: await view.finalized(asset, row.is_duplicate) };
    };
  };

  /**
   * Reservations whose time is over were refunded, so they are charged anew.
   * @returns those that no longer fit a daily quota: they stay pending, for another day.
   */
  const exceedingOf = async (tx: Tx, userId: string, pending: readonly UploadRow[]) => {
    const nowMs = clock();
    const late = pending.filter((row) => row.expires_at.getTime() <= nowMs);
    if (late.length === 0) return new Map<string, FileProblem>();
    const { exceeding, usage } = admitFiles(late, await readUsage(tx, userId, nowMs), quotas);
    const problem = fileProblem('quota_exceeded', describeExceeded(usage, quotas, nowMs));
    return new Map(exceeding.map((row) => [row.id, problem]));
  };

  /**
   * Keys of assets with the same bytes that the store does not have: what was uploaded may be the only copy.
   * Rare, since credentials are not granted for bytes that are there.
   */
  const bereftAssets = async (userId: string, accepted: readonly Accepted[]) => {
    if (accepted.length === 0) return new Set<string>();
    const checksums = accepted.map(({ row }) => row.checksum);
    const assets = await db
      .selectFrom('assets')
      .select(['id', 'key'])
      .where('user_id', '=', userId)
      .where('checksum', '=', sql<string>`any(${checksums}::text[])`)
      .execute();
    const absent = new Set(await absentOf(blobs, assets));
    return new Set(assets.filter(({ id }) => absent.has(id)).map(({ key }) => key));
  };

  /**
   * What the store had to say of the pending ones, made permanent.
   * @returns those beyond a quota, by asset id.
   */
  const record = async (
    userId: string,
    accepted: readonly Accepted[],
    refused: readonly { row: UploadRow; problem: FileProblem }[],
  ): Promise<Map<string, FileProblem>> => {
    const bereft = await bereftAssets(userId, accepted);
    const obsoleteKeys: string[] = [];
    let hasNewAssets = false;
    const exceeding = await changeAssets(db, [userId], async (tx) => {
      await lockUsage(tx, userId);
      const ids = [...accepted, ...refused].map(({ row }) => row.id);
      const pending = await lockPending(tx, ids);
      for (const { row, problem } of refused) {
        if (!pending.has(row.id)) continue;
        await tx
          .updateTable('uploads')
          .set({ state: 'rejected', error: JSON.stringify(problem) })
          .where('id', '=', row.id)
          .execute();
        obsoleteKeys.push(row.key);
      }
      const arrived = accepted.filter(({ row }) => pending.has(row.id));
      const exceeding = await exceedingOf(
        tx,
        userId,
        arrived.map(({ row }) => pending.get(row.id) ?? row),
      );
      const fresh = arrived.filter(({ row }) => !exceeding.has(row.id));
      if (fresh.length === 0) return exceeding;
      const assetIdOf = await insertAssets(tx, userId, fresh);
      const older = fresh
        .map(({ row }) => assetIdOf(row))
        .filter((id, i) => id !== fresh[i]?.row.id);
      const waiting = await lockBereft(tx, older, bereft);
      const added: UploadRow[] = [];
      const toProcess: { assetId: string }[] = [];
      const became: { id: string; assetId: string; isDuplicate: boolean }[] = [];
      for (const { row, mimeType } of fresh) {
        const assetId = assetIdOf(row);
        const isMended = waiting.delete(assetId);
        if (isMended) await reattach(tx, assetId, { key: row.key, size: row.size, mimeType });
        const isDuplicate = assetId !== row.id && !isMended;
        became.push({ id: row.id, assetId, isDuplicate });
        if (assetId === row.id) added.push(row);
        if (isDuplicate) obsoleteKeys.push(row.key);
        else toProcess.push({ assetId });
      }
      await markFinalized(tx, became);
      if (added.length > 0) await chargeUsage(tx, userId, clock(), added);
      if (toProcess.length > 0) {
        await queue.enqueue(tx, 'process', toProcess);
        hasNewAssets = true;
      }
      return exceeding;
    });
    if (hasNewAssets) changes.changed([userId]);
    // After the commit: until then the object may still be needed. The sweep removes it in case
    // this does not come to pass.
    if (obsoleteKeys.length > 0) {
      await blobs.delete(obsoleteKeys).catch((error: unknown) => {
        logger.warn({ err: error }, 'Objects that nothing needs could not be deleted yet');
      });
    }
    return exceeding;
  };

  return {
    async finalize(userId, items) {
      const ids = [...new Set(items.map((item) => item.assetId))];
      const before = await reservations(userId, ids);
      const answerBefore = await settled(userId, before.values());
      // Whoever names another checksum than was promised is confused about this upload: that is
      // answered, and nothing changes.
      const meant = new Set(
        items
          .filter(({ assetId, checksum }) => !contradicts(before.get(assetId), checksum))
          .map((item) => item.assetId),
      );
      const pending = [...before.values()].filter(
        (row) => row.state === 'pending' && meant.has(row.id),
      );
      const inspections = new Map<string, Inspection>();
      await mapConcurrently(pending, STORE_CONCURRENCY, async (row) => {
        inspections.set(row.id, await inspectObject(blobs, row));
      });
      const accepted: Accepted[] = [];
      const refused: { row: UploadRow; problem: FileProblem }[] = [];
      for (const row of pending) {
        const inspection = inspections.get(row.id);
        if (inspection?.status === 'accepted') {
          accepted.push({ row, mimeType: inspection.mimeType });
        } else if (inspection?.status === 'refused') {
          refused.push({ row, problem: inspection.problem });
        }
      }
      const isAnySettled = accepted.length > 0 || refused.length > 0;
      const exceeding = isAnySettled ? await record(userId, accepted, refused) : undefined;

      // Another request may have settled some of them meanwhile, so the table answers, not memory.
      const after = pending.length > 0 ? await reservations(userId, ids) : before;
      const answerAfter = pending.length > 0 ? await settled(userId, after.values()) : answerBefore;
      return Promise.all(
        items.map(async ({ assetId, checksum }): Promise<FinalizeResult> => {
          const row = after.get(assetId);
          if (contradicts(row, checksum)) {
            const error = fileProblem('checksum_mismatch', 'Another checksum was promised');
            return { assetId, success: false, error };
          }
          const problem = exceeding?.get(assetId) ?? fileProblem('not_uploaded');
          const outcome = (await answerAfter(row)) ?? { problem };
          return 'asset' in outcome
            ? { assetId, success: true, asset: outcome.asset }
            : { assetId, success: false, error: outcome.problem };
        }),
      );
    },
  };
}

function contradicts(row: UploadRow | undefined, checksum: string | undefined): boolean {
  return row !== undefined && checksum !== undefined && checksum !== row.checksum;
}

/** Whoever comes first settles a reservation; the others wait here, then find it settled. */
async function lockPending(tx: Tx, ids: readonly string[]): Promise<Map<string, UploadRow>> {
  const rows = await tx
    .selectFrom('uploads')
    .selectAll()
    .where('id', 'in', ids)
    .where('state', '=', 'pending')
    .orderBy('id')
    .forUpdate()
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** @returns which asset each upload became: its own, or the one that had these bytes before. */
async function insertAssets(tx: Tx, userId: string, uploads: readonly Accepted[]) {
  // In one order everywhere, so that two batches with the same files cannot wait for each other.
  const ordered = uploads.toSorted((a, b) => (a.row.checksum < b.row.checksum ? -1 : 1));
  const inserted = await tx
    .insertInto('assets')
    .values(
      ordered.map(({ row, mimeType }) => ({
        id: row.id,
        user_id: userId,
        key: row.key,
        filename: row.filename,
        path: row.path,
        mime_type: mimeType,
        size: row.size,
        checksum: row.checksum,
        search_words: searchWordsOf(row.filename, row.path),
      })),
    )
    .onConflict((conflict) => conflict.columns(['user_id', 'checksum']).doNothing())
    .returning(['id', 'checksum'])
    .execute();
  const byChecksum = new Map(inserted.map((asset) => [asset.checksum, asset.id]));
  const others = ordered.filter(({ row }) => !byChecksum.has(row.checksum));
  if (others.length > 0) {
    const existing: Pick<AssetRow, 'id' | 'checksum'>[] = await tx
      .selectFrom('assets')
      .select(['id', 'checksum'])
      .where('user_id', '=', userId)
      .where(
        'checksum',
        'in',
        others.map(({ row }) => row.checksum),
      )
      .execute();
    for (const asset of existing) byChecksum.set(asset.checksum, asset.id);
  }
  return (row: UploadRow): string => {
    const id = byChecksum.get(row.checksum);
    if (id === undefined) throw new Error('An asset vanished while it was being inserted');
    return id;
  };
}

/** Of these assets, those that need an object: known to, or found to have none at the key they have now. */
async function lockBereft(
  tx: Tx,
  assetIds: readonly string[],
  bereftKeys: ReadonlySet<string>,
): Promise<Set<string>> {
  if (assetIds.length === 0) return new Set();
  const rows = await tx
    .selectFrom('assets')
    .select(['id', 'key', 'blob_missing_at'])
    .where('id', '=', sql<string>`any(${assetIds}::uuid[])`)
    .orderBy('id')
    .forUpdate()
    .execute();
  return new Set(
    rows
      .filter(({ key, blob_missing_at }) => blob_missing_at !== null || bereftKeys.has(key))
      .map(({ id }) => id),
  );
}

async function markFinalized(
  tx: Tx,
  uploads: readonly { id: string; assetId: string; isDuplicate: boolean }[],
): Promise<void> {
  const ids = uploads.map((upload) => upload.id);
  const assetIds = uploads.map((upload) => upload.assetId);
  const duplicates = uploads.map((upload) => upload.isDuplicate);
  await sql`
    update uploads
    set state = 'finalized', asset_id = became.asset_id, is_duplicate = became.is_duplicate
    from unnest(${ids}::uuid[], ${assetIds}::uuid[], ${duplicates}::boolean[])
      as became (id, asset_id, is_duplicate)
    where uploads.id = became.id`.execute(tx);
}
