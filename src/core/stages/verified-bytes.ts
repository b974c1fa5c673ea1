import { UploadError } from '../../errors/upload-error.ts';
import type { Hasher } from '../../hashing/hasher.ts';
import type { HashContext } from '../../hashing/patiently.ts';
import { readBytes } from '../../hashing/read-bytes.ts';

/** Larger files are not held in memory. */
const MAX_READ_BYTES = 32 * 1024 * 1024;

/**
 * What is sent to a store that verifies nothing: the very bytes that have the checksum, read once more.
 *
 * @returns the file itself where it is larger than 32 MB
 * @throws UploadError `file_changed` when its bytes are others by now; `hashing_failed` when the read hangs
 */
export async function verifiedBytes(
  body: Blob,
  checksum: string,
  hasher: Hasher,
  context: HashContext,
): Promise<Blob> {
  if (body.size > MAX_READ_BYTES) return body;
  const bytes = new Blob([await readBytes(body, body, context)], { type: body.type });
  if ((await hasher.hash(bytes, context.signal)) === checksum) return bytes;
  throw new UploadError('file_changed', 'The bytes are not those that were hashed.');
}
