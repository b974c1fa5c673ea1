import {
  CREDENTIAL_TTL_SECONDS,
  type ReconcileFile,
  type ReconcileResult,
} from 'bulkhead/protocol';
import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import { mapConcurrently } from '../concurrency.ts';
import type { AssetRow, Database, UploadRow } from '../database/schema.ts';
import type { AssetView } from '../library/asset-view.ts';
import { isText } from './validate-file.ts';

/** Objects looked at in the store at once, per request. */
const STORE_CONCURRENCY = 16;
/** What is called uploaded stays so for at least this long: the page finalizes it in that time. */
const KEPT_MS = CREDENTIAL_TTL_SECONDS * 1000;

export interface ReconcilerParts {
  db: Database;
  blobs: BlobStore;
  view: AssetView;
  /** How long after their expiry reservations are swept. */
  sweepGraceMs: number;
  clock: Clock;
}

/** Tells a page what became of the uploads of an earlier one. Changes nothing. */
export interface Reconciler {
  /**
   * One result per file, in their order. `uploaded` is what finalize finds complete; whether it is an
   * image, only finalize looks.
   */
  reconcile(userId: string, files: readonly ReconcileFile[]): Promise<ReconcileResult[]>;
}

export function createReconciler(parts: ReconcilerParts): Reconciler {
  const { db, blobs, view, sweepGraceMs, clock } = parts;

  const reservationsOf = async (userId: string, clientIds: readonly string[]) => {
    const rows = await db
      .selectFrom('uploads')
      .selectAll()
      .where('user_id', '=', userId)
      .where('client_id', '=', sql<string>`any(${clientIds}::text[])`)
      // Spelt out, as the index has it.
      .where('state', '<>', sql.lit('rejected'))
      .execute();
    return new Map(rows.map((row) => [row.client_id, row]));
  };

  const assetsOf = async (userId: string, checksums: readonly string[]) => {
    const rows = await db
      .selectFrom('assets')
      .selectAll()
      .where('user_id', '=', userId)
      .where('checksum', '=', sql<string>`any(${checksums}::text[])`)
      .execute();
    return new Map(rows.map((row) => [row.checksum, row]));
  };

  const isFinalizable = async (row: UploadRow) => {
    if (row.state !== 'pending') return false;
    if (row.expires_at.getTime() + sweepGraceMs < clock() + KEPT_MS) return false;
    const info = await blobs.head(row.key);
    return info?.sizeBytes === row.size && (info.checksum ?? row.checksum) === row.checksum;
  };

  const judge = async (
    { clientId, checksum }: ReconcileFile,
    reservation: UploadRow | undefined,
    asset: AssetRow | undefined,
  ): Promise<ReconcileResult> => {
    const own = reservation?.checksum === checksum ? reservation : undefined;
    // Even where the bytes are a duplicate: finalize then removes the second copy.
    if (own && (await isFinalizable(own))) return { clientId, status: 'uploaded', assetId: own.id };
    // Without its bytes the asset needs them again.
    if (!asset || asset.blob_missing_at !== null) return { clientId, status: 'unknown' };
    const isDuplicate = asset.id !== own?.id;
    return { clientId, status: 'finalized', asset: await view.finalized(asset, isDuplicate) };
  };

  return {
    async reconcile(userId, files) {
      const clientIds = files.map(({ clientId }) => clientId).filter(isText);
      const checksums = files.map(({ checksum }) => checksum);
      // In this order: what is finalized in between has its asset then.
      const reservations = await reservationsOf(userId, clientIds);
      const assets = await assetsOf(userId, checksums);
      return mapConcurrently(files, STORE_CONCURRENCY, (file) =>
        judge(file, reservations.get(file.clientId), assets.get(file.checksum)),
      );
    },
  };
}
