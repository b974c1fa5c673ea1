import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import { mapConcurrently } from '../concurrency.ts';
import { changeAssets, changed, unfailed } from '../database/change-assets.ts';
import type { AssetRow, Database, Tx } from '../database/schema.ts';
import type { Queue } from '../jobs/queue.ts';
import { fileProblem } from '../problem-error.ts';

const STORE_CONCURRENCY = 16;

type Located = Pick<AssetRow, 'id' | 'user_id' | 'key'>;
type Suspect = Located &
  Pick<AssetRow, 'processed' | 'failed' | 'processing_error' | 'blob_missing_at'>;

/**
 * Those of the assets whose bytes the store does not have, so that sending them again must be possible. Looked
 * up only for assets that failed as they do when it lacks them: for others their row answers.
 */
export async function withMissingBlobs(
  blobs: BlobStore,
  assets: readonly Suspect[],
): Promise<Set<string>> {
  const missing = new Set(
    assets.filter((asset) => asset.blob_missing_at !== null).map(({ id }) => id),
  );
  const suspects = assets.filter((asset) => !missing.has(asset.id) && isSuspect(asset));
  for (const id of await absentOf(blobs, suspects)) missing.add(id);
  return missing;
}

function isSuspect({ processed, failed, processing_error }: Suspect): boolean {
  if (processed) return false;
  const code = processing_error?.code;
  return code === 'missing_blob' || (failed && code === 'max_retries_exceeded');
}

/** Ids of those that the store does not have, asked one by one. */
export async function absentOf(
  blobs: BlobStore,
  assets: readonly Pick<AssetRow, 'id' | 'key'>[],
): Promise<string[]> {
  const absent: string[] = [];
  await mapConcurrently([...assets], STORE_CONCURRENCY, async ({ id, key }) => {
    if ((await blobs.head(key)) === undefined) absent.push(id);
  });
  return absent;
}

/** Fails them with `missing_blob`. One that got another object meanwhile is left alone. */
export async function flagMissing(
  db: Database,
  assets: readonly Located[],
  now: Date,
): Promise<string[]> {
  const problem = fileProblem(
    'missing_blob',
    'The object store does not have the uploaded bytes any more. Upload the file again',
  );
  return changeAssets(
    db,
    assets.map((asset) => asset.user_id),
    async (tx) => {
      const flagged: string[] = [];
      for (const { id, key, user_id } of assets) {
        const row = await tx
          .updateTable('assets')
          .set({
            blob_missing_at: now,
            failed: true,
            processing_error: JSON.stringify(problem),
            ...changed(),
          })
          .where('id', '=', id)
          .where('key', '=', key)
          .where('blob_missing_at', 'is', null)
          .returning('id')
          .executeTakeFirst();
        if (row) flagged.push(user_id);
      }
      return flagged;
    },
  );
}

/** Their objects are there after all (a store that was restored): they go on where they stood. */
export async function unflagMissing(
  db: Database,
  queue: Queue,
  assets: readonly Located[],
): Promise<string[]> {
  return changeAssets(
    db,
    assets.map((asset) => asset.user_id),
    async (tx) => {
      const rows = await tx
        .updateTable('assets')
        .set({ blob_missing_at: null, failed: false, processing_error: null, ...changed() })
        .where(
          'id',
          'in',
          assets.map(({ id }) => id),
        )
        .where('blob_missing_at', 'is not', null)
        .returning(['id', 'user_id', 'processed', 'embedded'])
        .execute();
      const jobs = (isProcessed: boolean) =>
        rows
          .filter(({ processed, embedded }) => processed === isProcessed && !embedded)
          .map(({ id }) => ({ assetId: id }));
      if (jobs(false).length > 0) await queue.enqueue(tx, 'process', jobs(false));
      if (jobs(true).length > 0) await queue.enqueue(tx, 'embed', jobs(true));
      return rows.map((row) => row.user_id);
    },
  );
}

/** Gives an asset whose bytes were lost the object of a new upload; it is processed anew. */
export async function reattach(
  tx: Tx,
  assetId: string,
  object: { key: string; size: number; mimeType: string },
): Promise<AssetRow> {
  return tx
    .updateTable('assets')
    .set({
      key: object.key,
      size: object.size,
      mime_type: object.mimeType,
      blob_missing_at: null,
      image_key: null,
      thumbnail_key: null,
      processed: false,
      embedded: false,
      ...unfailed(),
    })
    .where('id', '=', assetId)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Lets client ids be reserved again that stand for uploads of these assets. The old reservations stay, under
 * an id of their own: a repeated finalize still gets its answer.
 */
export async function freeClientIds(
  db: Database,
  userId: string,
  clientIds: readonly string[],
  assetIds: readonly string[],
): Promise<void> {
  await db
    .updateTable('uploads')
    .set({ client_id: sql<string>`id::text` })
    .where('user_id', '=', userId)
    .where('client_id', '=', sql<string>`any(${clientIds}::text[])`)
    .where('asset_id', '=', sql<string>`any(${assetIds}::uuid[])`)
    .where('state', '=', 'finalized')
    .execute();
}
