import { UploadError } from '../../errors/upload-error.ts';
import type { Hasher } from '../../hashing/hasher.ts';

/** Larger files are not held in memory. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

/**
 * What is sent to a store that verifies nothing: the very bytes that have the checksum, read once more.
 *
 * @returns the file itself where it is larger than 32 MB
 * @throws UploadError `file_changed` when its bytes are others by now
 */
export async function verifiedBytes(
  body: Blob,
  checksum: string,
  hasher: Hasher,
  signal: AbortSignal,
): Promise<Blob> {
  if (body.size > MAX_READ_BYTES) return body;
  const bytes = new Blob([await body.arrayBuffer()], { type: body.type });
  if (bytes.size === body.size && (await hasher.hash(bytes, signal)) === checksum) return bytes;
  throw new UploadError('file_changed', 'The bytes are not those that were hashed.');
}
