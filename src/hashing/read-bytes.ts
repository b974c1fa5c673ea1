import { UploadError } from '../errors/upload-error.ts';
import { type HashContext, patiently, StalledError } from './patiently.ts';
import { findFault, toReadError } from './read-error.ts';

/** How long a read may show nothing, whatever its size. */
const STALL_MS = 30_000;
/** The slowest drive that is waited for: 1 MB/s, less than USB 2 or a network share gives. */
const MIN_BYTES_PER_MS = 1_000;

/**
 * Reads all of `part`, a slice of `file` or the file itself.
 *
 * A read that succeeds may still have found another file. Chromium reads nothing, without an error,
 * from a slice of a file that was deleted; Firefox reads what is left of one that was cut off, and more
 * than there was of one that has grown.
 *
 * @throws UploadError `file_unreadable`, `file_changed`, or `hashing_failed` when the read hangs
 * @throws DOMException as the browser gives it, and the signal's reason
 */
export async function readBytes(
  file: Blob,
  part: Blob,
  context: HashContext,
): Promise<ArrayBuffer> {
  context.signal.throwIfAborted();
  const expected = part.size;
  let bytes: ArrayBuffer;
  try {
    const limitMs = STALL_MS + expected / MIN_BYTES_PER_MS;
    bytes = await patiently(part.arrayBuffer(), limitMs, context);
  } catch (cause) {
    if (!(cause instanceof StalledError)) throw cause;
    throw (await findFault(file, context)) ?? toReadError(cause, context.signal);
  }
  if (bytes.byteLength === expected) return bytes;
  const message = `The file changed: ${bytes.byteLength} bytes were read where ${expected} should be.`;
  throw (await findFault(file, context)) ?? new UploadError('file_changed', message);
}
