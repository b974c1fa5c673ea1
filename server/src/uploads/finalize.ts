import type { FileProblem, FinalizedAsset, FinalizeItem, FinalizeResult } from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import { mapConcurrently } from '../concurrency.ts';
import { changeAssets } from '../database/change-assets.ts';
import type { AssetRow, Database, Tx, UploadRow } from '../database/schema.ts';
import type { ChangeFeed } from '../events/change-feed.ts';
import type { Queue } from '../jobs/queue.ts';
import type { AssetView } from '../library/asset-view.ts';
import { searchWordsOf } from '../library/words.ts';
import type { Logger } from '../logging.ts';
import { fileProblem } from '../problem-error.ts';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts';
import { type Inspection, inspectObject } from './inspect-object.ts';

/** Objects looked at in the store at once, per request. */
const STORE_CONCURRENCY = 16;

export interface FinalizerParts {
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  view: AssetView;
  changes: ChangeFeed;
  logger: Logger;
  telemetry?: Telemetry;
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
  const { db, blobs, queue, view, changes, logger, telemetry = noTelemetry } = parts;

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

  /** What the store had to say of the pending ones, made permanent. */
  const record = async (
    userId: string,
    accepted: readonly Accepted[],
    refused: readonly { row: UploadRow; problem: FileProblem }[],
  ) => {
    const obsoleteKeys: string[] = [];
    let reservedAtMs: number[] = [];
    await changeAssets(db, [userId], async (tx) => {
      // It may be the second try.
      obsoleteKeys.length = 0;
      reservedAtMs = [];
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
      const fresh = accepted.filter(({ row }) => pending.has(row.id));
      if (fresh.length === 0) return;
      const assetIdOf = await insertAssets(tx, userId, fresh);
      const inserted: { assetId: string }[] = [];
      for (const { row } of fresh) {
        if (assetIdOf(row) === row.id) {
          inserted.push({ assetId: row.id });
          reservedAtMs.push(row.created_at.getTime());
        } else {
          obsoleteKeys.push(row.key);
        }
      }
      await markFinalized(
        tx,
        fresh.map(({ row }) => ({ id: row.id, assetId: assetIdOf(row) })),
      );
      if (inserted.length > 0) await queue.enqueue(tx, 'process', inserted);
    });
    if (reservedAtMs.length > 0) {
      changes.changed([userId]);
      telemetry.uploaded(reservedAtMs);
    }
    // After the commit: until then the object may still be needed. The sweep removes it in case
    // this does not come to pass.
    if (obsoleteKeys.length > 0) {
      await blobs.delete(obsoleteKeys).catch((error: unknown) => {
        logger.warn({ err: error }, 'Objects that nothing needs could not be deleted yet');
      });
    }
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
      if (accepted.length > 0 || refused.length > 0) await record(userId, accepted, refused);

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
          const outcome = (await answerAfter(row)) ?? { problem: fileProblem('not_uploaded') };
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
async function lockPending(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
  const rows = await tx
    .selectFrom('uploads')
    .select('id')
    .where('id', 'in', ids)
    .where('state', '=', 'pending')
    .orderBy('id')
    .forUpdate()
    .execute();
  return new Set(rows.map((row) => row.id));
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

async function markFinalized(
  tx: Tx,
  uploads: readonly { id: string; assetId: string }[],
): Promise<void> {
  const ids = uploads.map((upload) => upload.id);
  const assetIds = uploads.map((upload) => upload.assetId);
  await sql`
    update uploads
    set state = 'finalized', asset_id = became.asset_id, is_duplicate = became.asset_id <> became.id
    from unnest(${ids}::uuid[], ${assetIds}::uuid[]) as became (id, asset_id)
    where uploads.id = became.id`.execute(tx);
}
