import { describeFailure, type UploadErrorCode } from 'bulkhead';
import type { FileProblem } from 'bulkhead/protocol';

/** A failure that the server recorded on a photo, in the words used for uploads. */
export function problemWords({ code, detail }: FileProblem): string {
  return describeFailure({ code: code satisfies UploadErrorCode, message: detail });
}
