import { UploadError, type UploadErrorCode } from './upload-error.ts';

type FileFault = readonly [code: UploadErrorCode, message: string];

/**
 * What browsers say of a file that cannot be read. Chromium 156 and Firefox 153 were seen with files on a
 * disk (Linux): Chromium says NotReadableError of one that was edited, cut off or has grown since it was
 * chosen, and NotFoundError of one that is gone; Firefox read edited files as they were by then, and of one
 * that is gone it said NotFoundError or AbortError. WebKit was not run: its NotReadableError is taken for
 * either. NotAllowedError is a permission that ended.
 */
const FAULTS: Readonly<Record<string, FileFault>> = {
  NotAllowedError: ['file_unreadable', 'This page no longer has the permission to read the file.'],
  NotFoundError: ['file_unreadable', 'The file is no longer there.'],
  NotReadableError: [
    'file_changed',
    'The file is no longer the one that was added: it changed, or (in Safari) it may be gone.',
  ],
  SecurityError: ['file_unreadable', 'The file can no longer be read.'],
};

/** `file_changed` or `file_unreadable` with the reason; undefined when it was not the file that failed. */
export function toFileError(cause: unknown): UploadError | undefined {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  const fault = FAULTS[name];
  return fault && new UploadError(fault[0], fault[1], { cause });
}
