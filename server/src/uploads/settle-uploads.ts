import type { FileProblem } from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { AssetRow, Tx, UploadRow } from '../database/schema.ts';
import type { Queue } from '../jobs/queue.ts';
import { searchWordsOf } from '../library/words.ts';
import { fileProblem } from '../problem-error.ts';
import { admitFiles, describeExceeded, type Quotas } from '../rate-limit/quota.ts';
import { reattach } from './missing-blobs.ts';
import { isLate } from './reserve.ts';
import { chargeUsage, lockUsage, readUsage } from './usage.ts';

/** An upload whose object is as promised; `mimeType` by magic bytes. */
export type Accepted = { row: UploadRow; mimeType: string };
export type Refused = { row: UploadRow; problem: FileProblem };

/** With the asset it became: its own, or the one that has these bytes. */
export type Finalized = {
  row: UploadRow;
  asset: AssetRow;
  /** The asset is another one, which has an object already: this upload's own is of no use. */
  isDuplicate: boolean;
};

/** What became of uploads that were still pending. Others were settled by another request. */
export interface Settled {
  rejected: Refused[];
  finalized: Finalized[];
  /** They no longer fit a daily quota: they stay pending, for another day. */
  exceeding: Refused[];
}

export interface SettleParts {
  queue: Queue;
  quotas: Quotas;
  clock: Clock;
}

export interface ToSettle {
  accepted: readonly Accepted[];
  refused: readonly Refused[];
  /** Keys at which the store has nothing, though assets say so. */
  bereft: ReadonlySet<string>;
}

/**
 * Makes permanent what the store had to say of uploads: assets, their jobs, and what they count, together.
 * Within `changeAssets`; may run again, and keeps nothing of a run that failed.
 */
export async function settleUploads(
  parts: SettleParts,
  tx: Tx,
  userId: string,
  { accepted, refused, bereft }: ToSettle,
): Promise<Settled> {
  await lockUsage(tx, userId);
  const pending = await lockPending(tx, [...accepted, ...refused]);
  const rejected = refused.filter(({ row }) => pending.has(row.id));
  await markRejected(tx, rejected);
  const arrived = accepted.filter(({ row }) => pending.has(row.id));
  const late = arrived.map(({ row }) => pending.get(row.id) ?? row);
  const exceeding = await exceedingOf(parts, tx, userId, late);
  const isExceeding = new Set(exceeding.map(({ row }) => row.id));
  const fresh = arrived.filter(({ row }) => !isExceeding.has(row.id));
  const finalized = await mend(tx, await insertAssets(tx, userId, fresh), fresh, bereft);
  await markFinalized(tx, finalized);
  const added = finalized.filter(({ row, asset }) => row.id === asset.id);
  if (added.length > 0) {
    const files = added.map(({ row }) => row);
    await chargeUsage(tx, userId, parts.clock(), files);
  }
  const toProcess = finalized.filter(({ isDuplicate }) => !isDuplicate);
  await parts.queue.enqueue(
    tx,
    'process',
    toProcess.map(({ asset }) => ({ assetId: asset.id })),
  );
  return { rejected, finalized, exceeding };
}

/** Whoever comes first settles a reservation; the others wait here, then find it settled. */
async function lockPending(
  tx: Tx,
  uploads: readonly { row: UploadRow }[],
): Promise<Map<string, UploadRow>> {
  const rows = await tx
    .selectFrom('uploads')
    .selectAll()
    .where(
      'id',
      'in',
      uploads.map(({ row }) => row.id),
    )
    .where('state', '=', 'pending')
    .orderBy('id')
    .forUpdate()
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** Late ones that no longer fit, in their order. */
async function exceedingOf(
  { quotas, clock }: SettleParts,
  tx: Tx,
  userId: string,
  pending: readonly UploadRow[],
): Promise<Refused[]> {
  const nowMs = clock();
  const late = pending.filter((row) => isLate(row, nowMs));
  if (late.length === 0) return [];
  const { exceeding, usage } = admitFiles(late, await readUsage(tx, userId, nowMs), quotas);
  const problem = fileProblem('quota_exceeded', describeExceeded(usage, quotas, nowMs));
  return exceeding.map((row) => ({ row, problem }));
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
      .orderBy('id')
      .forUpdate()
      .execute();
    for (const asset of existing) byChecksum.set(asset.checksum, asset);
  }
  return uploads.map(({ row }) => {
    const asset = byChecksum.get(row.checksum);
    if (!asset) throw new Error('An asset vanished while it was being inserted');
    return { row, asset, isDuplicate: asset.id !== row.id };
  });
}

/** Assets that had these bytes, and have no object any more, take the one that was uploaded. */
async function mend(
  tx: Tx,
  finalized: readonly Finalized[],
  accepted: readonly Accepted[],
  bereft: ReadonlySet<string>,
): Promise<Finalized[]> {
  const mended = new Map<string, AssetRow>();
  const result: Finalized[] = [];
  for (const [at, upload] of finalized.entries()) {
    const { row, asset } = upload;
    const isBereft = asset.blob_missing_at !== null || bereft.has(asset.key);
    if (upload.isDuplicate && isBereft && !mended.has(asset.id)) {
      const mimeType = accepted[at]?.mimeType ?? asset.mime_type;
      const whole = await reattach(tx, asset.id, { key: row.key, size: row.size, mimeType });
      mended.set(asset.id, whole);
      result.push({ row, asset: whole, isDuplicate: false });
    } else {
      result.push({ ...upload, asset: mended.get(asset.id) ?? asset });
    }
  }
  return result;
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
  const duplicates = uploads.map(({ isDuplicate }) => isDuplicate);
  await sql`
    update uploads
    set state = 'finalized', asset_id = became.asset_id, is_duplicate = became.is_duplicate
    from unnest(${ids}::uuid[], ${assetIds}::uuid[], ${duplicates}::boolean[])
      as became (id, asset_id, is_duplicate)
    where uploads.id = became.id`.execute(tx);
}
