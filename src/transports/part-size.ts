import { UploadError } from '../errors/upload-error.ts';
import type { MultipartLimits } from '../protocol/index.ts';

const MIB = 1024 * 1024;
/** Until it is known how fast the way is. */
const FIRST_PART_BYTES = 8 * MIB;
/** A part that fails costs what of it was sent: so long at most, where the limits allow it. */
const PART_SECONDS = 8;
/** A part that is hashed in the page is in memory at that time, and several are. */
const LARGEST_WANTED_BYTES = 64 * MIB;

export interface PartSizeChoice {
  readonly fileBytes: number;
  readonly limits: MultipartLimits;
  /** What one connection carries, as far as it is known. */
  readonly goodputBytesPerSecond?: number | undefined;
}

/**
 * Bytes of every part but the last: what a connection carries in eight seconds, whole MiB where that is
 * possible, at most 64 MiB unless the file needs larger ones, and always within the limits.
 *
 * @throws UploadError `file_too_large` when no size of parts is large enough
 */
export function choosePartSize(choice: PartSizeChoice): number {
  const { fileBytes, limits, goodputBytesPerSecond } = choice;
  const { minPartBytes, maxPartBytes, maxParts } = limits;
  const neededBytes = Math.max(minPartBytes, Math.ceil(fileBytes / maxParts), 1);
  if (neededBytes > maxPartBytes) {
    const most = maxParts * maxPartBytes;
    const message = `The file has ${fileBytes} bytes; the store takes ${most} in parts.`;
    throw new UploadError('file_too_large', message);
  }
  const wanted =
    goodputBytesPerSecond === undefined ? FIRST_PART_BYTES : goodputBytesPerSecond * PART_SECONDS;
  const bytes = Math.max(neededBytes, Math.min(wanted, LARGEST_WANTED_BYTES));
  return Math.min(Math.ceil(bytes / MIB) * MIB, maxPartBytes);
}

/** Parts of a file, from 1. */
export function countParts(fileBytes: number, partSizeBytes: number): number {
  return Math.ceil(fileBytes / partSizeBytes);
}

/** @param partNumber from 1 */
export function partBytes(fileBytes: number, partSizeBytes: number, partNumber: number): number {
  return Math.min(partSizeBytes, fileBytes - (partNumber - 1) * partSizeBytes);
}
