import { UploadError } from './upload-error.ts';

/**
 * What browsers say of a file that cannot be read. They differ: of one that is gone Chromium says
 * NotReadableError or NotFoundError, Firefox NotFoundError, WebKit NotReadableError; of one that changed
 * NotReadableError; and NotAllowedError where a permission ended.
 */
const MESSAGES: Readonly<Record<string, string>> = {
  NotAllowedError: 'This page no longer has the permission to read the file.',
  NotFoundError: 'The file is no longer there.',
  NotReadableError: 'The file can no longer be read: it changed, or it is no longer there.',
  SecurityError: 'The file can no longer be read.',
};

/** `file_unreadable` with the reason; undefined when it was not the file that failed. */
export function toFileError(cause: unknown): UploadError | undefined {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  const message = MESSAGES[name];
  return message === undefined ? undefined : new UploadError('file_unreadable', message, { cause });
}
