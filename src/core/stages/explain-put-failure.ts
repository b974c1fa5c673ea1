import { UploadError } from '../../errors/upload-error.ts';
import type { HashContext } from '../../hashing/patiently.ts';
import { findFault } from '../../hashing/read-error.ts';

/** Says when it was the file and not the network: browsers report both as a failed connection. */
export async function explainPutFailure(
  error: UploadError,
  body: Blob | undefined,
  context: HashContext,
): Promise<UploadError> {
  if (error.code === 'checksum_mismatch' || error.code === 'size_mismatch') {
    const message = 'The bytes are not those that were hashed: the file changed meanwhile.';
    return new UploadError('file_changed', message, { cause: error });
  }
  if (error.kind !== 'network' || !body) return error;
  // A look that was broken off says nothing: then the failure is what it was.
  return (await findFault(body, context).catch(() => undefined)) ?? error;
}
