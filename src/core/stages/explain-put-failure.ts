import { UploadError } from '../../errors/upload-error.ts';
import { findFileFault } from './file-fault.ts';

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
  return (await findFileFault(body, sizeBytes, error)) ?? error;
}
