import { toFileError } from '../../errors/file-error.ts';
import { UploadError } from '../../errors/upload-error.ts';

/**
 * Says when it was the file and not the network: browsers report both as a failed connection.
 *
 * @param sizeBytes of the file when it was added
 */
export async function explainPutFailure(
  error: UploadError,
  body: Blob | undefined,
  sizeBytes: number,
): Promise<UploadError> {
  if (error.code === 'checksum_mismatch' || error.code === 'size_mismatch') {
    const message = 'The bytes are not those that were hashed: the file changed meanwhile.';
    return new UploadError('file_changed', message, { cause: error });
  }
  if (error.kind !== 'network' || !body) return error;
  try {
    const first = await body.slice(0, 1).arrayBuffer();
    // Of a file that was cut off the beginning is still there.
    const last = await body.slice(-1).arrayBuffer();
    // Chromium reads nothing, without an error, from a file that is gone.
    if (sizeBytes === 0 || first.byteLength + last.byteLength === 2) return error;
    if (first.byteLength === 0) {
      return new UploadError('file_unreadable', 'The file is no longer there.', { cause: error });
    }
    return new UploadError('file_changed', 'The file changed: its end is missing.', {
      cause: error,
    });
  } catch (cause) {
    const message = 'The file can no longer be read.';
    return toFileError(cause) ?? new UploadError('file_unreadable', message, { cause });
  }
}
