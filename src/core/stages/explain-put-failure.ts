import { toFileError } from '../../errors/file-error.ts';
import { UploadError } from '../../errors/upload-error.ts';

/** Says when it was the file and not the network: browsers report both as a failed connection. */
export async function explainPutFailure(
  error: UploadError,
  body: Blob | undefined,
): Promise<UploadError> {
  if (error.code === 'checksum_mismatch' || error.code === 'size_mismatch') {
    const message = 'The bytes are not those that were hashed: the file changed meanwhile.';
    return new UploadError('file_changed', message, { cause: error });
  }
  if (error.kind !== 'network' || !body) return error;
  try {
    await body.slice(0, 1).arrayBuffer();
    // Of a file that was cut off the beginning is still there.
    await body.slice(-1).arrayBuffer();
    return error;
  } catch (cause) {
    const message = 'The file can no longer be read.';
    return toFileError(cause) ?? new UploadError('file_unreadable', message, { cause });
  }
}
