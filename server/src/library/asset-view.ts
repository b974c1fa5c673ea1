import type { Asset, AssetChange, AssetStage, FinalizedAsset } from 'bulkhead/protocol';
import type { BlobStore } from '../blobs/blob-store.ts';
import { derivativeContentType } from '../blobs/keys.ts';
import type { AssetRow } from '../database/schema.ts';

/** How long the URLs in an answer work, at least. */
const URL_SECONDS = 3600;

/** Rows as the wire shows them, with signed URLs. */
export interface AssetView {
  asset(row: AssetRow): Promise<Asset>;
  change(row: AssetRow): Promise<AssetChange>;
  finalized(row: AssetRow, isDuplicate: boolean): Promise<FinalizedAsset>;
}

export function stageOf(row: Pick<AssetRow, 'processed' | 'embedded' | 'failed'>): AssetStage {
  if (row.failed) return 'failed';
  if (!row.processed) return 'processing';
  return row.embedded ? 'searchable' : 'embedding';
}

export function createAssetView(blobs: BlobStore): AssetView {
  const original = (row: AssetRow) =>
    blobs.signGet({
      key: row.key,
      expiresInSeconds: URL_SECONDS,
      contentType: row.mime_type,
      downloadName: row.filename,
    });
  const derivative = async (key: string | null) =>
    key === null
      ? null
      : blobs.signGet({
          key,
          expiresInSeconds: URL_SECONDS,
          contentType: derivativeContentType(key),
        });

  return {
    async asset(row) {
      const [blobUrl, imageUrl, thumbnailUrl] = await Promise.all([
        original(row),
        derivative(row.image_key),
        derivative(row.thumbnail_key),
      ]);
      return {
        id: row.id,
        filename: row.filename,
        path: row.path,
        mimeType: row.mime_type,
        size: row.size,
        checksum: row.checksum,
        width: row.width,
        height: row.height,
        stage: stageOf(row),
        processed: row.processed,
        embedded: row.embedded,
        processingError: row.processing_error,
        embeddingError: row.embedding_error,
        blobUrl,
        imageUrl,
        thumbnailUrl,
        createdAt: row.created_at.toISOString(),
        version: row.version,
      };
    },
    async change(row) {
      return {
        id: row.id,
        version: row.version,
        stage: stageOf(row),
        thumbnailUrl: await derivative(row.thumbnail_key),
        error: row.processing_error ?? row.embedding_error,
      };
    },
    async finalized(row, isDuplicate) {
      return {
        id: row.id,
        blobUrl: await original(row),
        isDuplicate,
        needsProcessing: !row.processed && !row.failed,
      };
    },
  };
}
