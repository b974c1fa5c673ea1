import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { FileProblem } from 'bulkhead/protocol';
import { BlobNotFoundError, type BlobStore } from '../blobs/blob-store.ts';
import type { UploadRow } from '../database/schema.ts';
import { ImageError } from '../images/image-error.ts';
import { sniffImageType, TYPE_SNIFF_BYTES } from '../images/image-type.ts';
import { fileProblem } from '../problem-error.ts';

/** What the store says of a reservation's object. */
export type Inspection =
  | { status: 'absent' }
  | { status: 'refused'; problem: FileProblem }
  /** `mimeType` is by magic bytes. */
  | { status: 'accepted'; mimeType: string };

/** Holds an object against its promise, and its first bytes against the types taken. */
export async function inspectObject(blobs: BlobStore, row: UploadRow): Promise<Inspection> {
  const info = await blobs.head(row.key);
  if (!info) return { status: 'absent' };
  if (info.sizeBytes !== row.size) {
    return refused(
      'size_mismatch',
      `${row.size} bytes were promised, ${info.sizeBytes} are stored`,
    );
  }
  try {
    // A store that does not vouch for a checksum is read: a claim never becomes a fact.
    const checksum = info.checksum ?? (await checksumOf(blobs, row.key));
    if (checksum !== row.checksum) return refused('checksum_mismatch');
    const mimeType = await sniffImageType(await blobs.readStart(row.key, TYPE_SNIFF_BYTES));
    return { status: 'accepted', mimeType };
  } catch (error) {
    if (error instanceof BlobNotFoundError) return { status: 'absent' };
    if (error instanceof ImageError) return refused(error.code, error.message);
    throw error;
  }
}

function refused(...problem: Parameters<typeof fileProblem>): Inspection {
  return { status: 'refused', problem: fileProblem(...problem) };
}

async function checksumOf(blobs: BlobStore, key: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(await blobs.read(key), hash);
  return hash.digest('hex');
}
