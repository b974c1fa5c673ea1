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
type Refused = { row: UploadRow; problem: FileProblem };
/** With the asset it became: its own, or the one that had these bytes before. */
type Finalized = { row: UploadRow; asset: AssetRow };

const isNew = ({ row, asset }: Finalized) => row.id === asset.id;

export function createFinalizer(parts: FinalizerParts): Finalizer {
  const { db, blobs, queue, view, changes, logger } = parts;

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
   * What the store had to say of the pending ones, made permanent.
   * @returns what became of those that were still pending: others were settled by another request.
   */
  const record = async (
    userId: string,
    accepted: readonly Accepted[],
    refused: readonly Refused[],
  ): Promise<Map<string, Outcome>> => {
    const { rejected, finalized } = await changeAssets(db, [userId], async (tx) => {
      const pending = await lockPending(tx, [...accepted, ...refused]);
      const rejected = refused.filter(({ row }) => pending.has(row.id));
      const fresh = accepted.filter(({ row }) => pending.has(row.id));
      await markRejected(tx, rejected);
      const finalized = await insertAssets(tx, userId, fresh);
      await markFinalized(tx, finalized);
      await queue.enqueue(
        tx,
        'process',
        finalized.filter(isNew).map(({ asset }) => ({ assetId: asset.id })),
      );
      return { rejected, finalized };
    });
    if (finalized.some(isNew)) changes.changed([userId]);
    const obsolete = [...rejected, ...finalized.filter((upload) => !isNew(upload))];
    const obsoleteKeys = obsolete.map(({ row }) => row.key);
    // After the commit: until then the object may still be needed. The sweep removes it in case
    // this does not come to pass.
    if (obsoleteKeys.length > 0) {
      await blobs.delete(obsoleteKeys).catch((error: unknown) => {
        logger.warn({ err: error }, 'Objects that nothing needs could not be deleted yet');
      });
    }
    const outcomes = new Map<string, Outcome>();
    for (const { row, problem } of rejected) outcomes.set(row.id, { problem });
    await Promise.all(
      finalized.map(async (upload) => {
        const asset = await view.finalized(upload.asset, !isNew(upload));
        outcomes.set(upload.row.id, { asset });
      }),
    );
    return outcomes;
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
      const refused: Refused[] = [];
      for (const row of pending) {
        const inspection = inspections.get(row.id);
        if (inspection?.status === 'accepted') {
          accepted.push({ row, mimeType: inspection.mimeType });
        } else if (inspection?.status === 'refused') {
          refused.push({ row, problem: inspection.problem });
        }
      }
      const outcomes =
        accepted.length > 0 || refused.length > 0
          ? await record(userId, accepted, refused)
          : new Map<string, Outcome>();

      // Of the others, another request may have settled some meanwhile: the table answers, not memory.
      const isComplete = pending.every((row) => outcomes.has(row.id));
      const after = isComplete ? before : await reservations(userId, ids);
      const answerAfter = isComplete ? answerBefore : await settled(userId, after.values());
      return Promise.all(
        items.map(async ({ assetId, checksum }): Promise<FinalizeResult> => {
          const row = after.get(assetId);
          if (contradicts(row, checksum)) {
            const error = fileProblem('checksum_mismatch', 'Another checksum was promised');
            return { assetId, success: false, error };
          }
          const outcome = outcomes.get(assetId) ??
            (await answerAfter(row)) ?? { problem: fileProblem('not_uploaded') };
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
async function lockPending(tx: Tx, uploads: readonly { row: UploadRow }[]): Promise<Set<string>> {
  const ids = uploads.map(({ row }) => row.id);
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

async function insertAssets(
  tx: Tx,
  userId: string,
  uploads: readonly Accepted[],
): Promise<Finalized[]> {
  if (uploads.length === 0) return [];
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
    .returningAll()
    .execute();
  const byChecksum = new Map(inserted.map((asset) => [asset.checksum, asset]));
  const others = ordered.map(({ row }) => row.checksum).filter((sum) => !byChecksum.has(sum));
  if (others.length > 0) {
    const existing = await tx
      .selectFrom('assets')
      .selectAll()
      .where('user_id', '=', userId)
      .where('checksum', 'in', others)
      .execute();
    for (const asset of existing) byChecksum.set(asset.checksum, asset);
  }
  return uploads.map(({ row }) => {
    const asset = byChecksum.get(row.checksum);
    if (!asset) throw new Error('An asset vanished while it was being inserted');
    return { row, asset };
  });
}

async function markRejected(tx: Tx, refused: readonly Refused[]): Promise<void> {
  if (refused.length === 0) return;
  const ids = refused.map(({ row }) => row.id);
  const errors = refused.map(({ problem }) => JSON.stringify(problem));
  await sql`
    update uploads set state = 'rejected', error = refused.error::jsonb
    from unnest(${ids}::uuid[], ${errors}::text[]) as refused (id, error)
    where uploads.id = refused.id`.execute(tx);
}

async function markFinalized(tx: Tx, uploads: readonly Finalized[]): Promise<void> {
  if (uploads.length === 0) return;
  const ids = uploads.map(({ row }) => row.id);
  const assetIds = uploads.map(({ asset }) => asset.id);
  await sql`
    update uploads
    set state = 'finalized', asset_id = became.asset_id, is_duplicate = became.asset_id <> became.id
    from unnest(${ids}::uuid[], ${assetIds}::uuid[]) as became (id, asset_id)
    where uploads.id = became.id`.execute(tx);
}
