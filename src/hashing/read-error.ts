import { toFileError } from '../errors/file-error.ts';
import { UploadError } from '../errors/upload-error.ts';

/** What a failed read of a file means. */
export function toReadError(cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  const message = `Hashing failed: ${String(cause)}`;
  return toFileError(cause) ?? new UploadError('hashing_failed', message, { cause });
}
