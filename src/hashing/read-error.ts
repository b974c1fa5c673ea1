import { UploadError } from '../errors/upload-error.ts';

/** What a failed read of a file means. Browsers differ in the name: Chromium NotReadableError or
 * NotFoundError, Firefox NotFoundError, WebKit NotReadableError. */
export function toReadError(cause: unknown): UploadError {
  if (cause instanceof UploadError) return cause;
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  if (name === 'NotFoundError' || name === 'NotReadableError' || name === 'SecurityError') {
    const message = 'The file can no longer be read.';
    return new UploadError('file_unreadable', message, { cause });
  }
  return new UploadError('hashing_failed', `Hashing failed: ${String(cause)}`, { cause });
}
