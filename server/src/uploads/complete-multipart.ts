import type { BlobStore, StoredPart } from '../blobs/blob-store.ts';
import type { UploadRow } from '../database/schema.ts';
import type { Logger } from '../logging.ts';

type Parted = Pick<UploadRow, 'size'> & { partBytes: number };

/** How many parts of this size a file has. */
export function countParts({ size, partBytes }: Parted): number {
  return Math.ceil(size / partBytes);
}

/** Bytes of one part; 0 where the file has no such part. */
export function partBytesOf(file: Parted, partNumber: number): number {
  const start = (partNumber - 1) * file.partBytes;
  return Math.max(0, Math.min(file.partBytes, file.size - start));
}

/** Those of the parts that have the size they must have. */
export function fittingParts(file: Parted, stored: readonly StoredPart[]): StoredPart[] {
  return stored.filter(
    ({ partNumber, sizeBytes }) => sizeBytes > 0 && sizeBytes === partBytesOf(file, partNumber),
  );
}

/**
 * Makes the object of an upload in parts where the store has them all; otherwise nothing happens, and the
 * object stays absent. What the client says of its parts is not asked for. Whether an object is there
 * afterwards, and which, the store tells: repeats, races and lost answers all end in that question.
 */
export async function completeMultipart(blobs: BlobStore, row: UploadRow): Promise<void> {
  const { multipart } = blobs;
  const { key, size, multipart_id: uploadId, multipart_part_bytes: partBytes } = row;
  if (!multipart || uploadId === null || partBytes === null) return;
  // Completed by an earlier call, or sent whole: never replaced, since somebody may be looking at it. Nor later, by
  // a call that looked before it was there.
  if (await blobs.head(key)) {
    await multipart.abort(key, uploadId);
    return;
  }
  const stored = await multipart.list(key, uploadId);
  if (!stored) return;
  const file = { size, partBytes };
  const parts = fittingParts(file, stored);
  if (parts.length !== stored.length || parts.length !== countParts(file)) return;
  await multipart.complete(key, uploadId, parts);
}

/** Parts of an upload whose object came by another way. The sweep aborts them in case this does not. */
export async function abortLeftover(
  blobs: BlobStore,
  { key, multipart_id: uploadId }: UploadRow,
  logger: Logger,
): Promise<void> {
  if (!blobs.multipart || uploadId === null) return;
  await blobs.multipart.abort(key, uploadId).catch((error: unknown) => {
    logger.warn({ err: error }, 'An upload in parts that nothing needs could not be aborted yet');
  });
}
