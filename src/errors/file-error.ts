import { UploadError, type UploadErrorCode } from './upload-error.ts';

type FileFault = readonly [code: UploadErrorCode, message: string];

/**
 * What browsers say of a file that cannot be read, as they were seen to with files on a disk. Chromium says
 * NotReadableError of one that was edited, cut off or has grown since it was chosen, and NotFoundError of one
 * that is gone. Firefox reads an edited file as it is now, and says NotFoundError of one that is gone. WebKit
 * says NotReadableError of both. NotAllowedError is a permission that ended.
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
