import { toFileError } from '../../errors/file-error.ts';
import { UploadError } from '../../errors/upload-error.ts';

/**
 * Looks at a file that is to be sent, by its first and last byte.
 *
 * @param sizeBytes of the file when it was added
 * @returns `file_unreadable` when there is nothing, `file_changed` when the end is missing or the browser
 *   says so, undefined when both are there
 */
export async function findFileFault(
  body: Blob,
  sizeBytes: number,
  cause?: UploadError,
): Promise<UploadError | undefined> {
  const because = cause && { cause };
  try {
    const first = await body.slice(0, 1).arrayBuffer();
    // Of a file that was cut off the beginning is still there.
    const last = await body.slice(-1).arrayBuffer();
    // Chromium reads nothing, without an error, from a file that is gone.
    if (sizeBytes === 0 || first.byteLength + last.byteLength === 2) return undefined;
    if (first.byteLength === 0) {
      return new UploadError('file_unreadable', 'The file is no longer there.', because);
    }
    return new UploadError('file_changed', 'The file changed: its end is missing.', because);
  } catch (thrown) {
    const message = 'The file can no longer be read.';
    return toFileError(thrown) ?? new UploadError('file_unreadable', message, { cause: thrown });
  }
}
