import type { FileShelf } from '../file-shelf.ts';
import type { Ledger } from '../ledger.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Retries } from '../retries.ts';
import type { SessionKeeper } from '../session/session-keeper.ts';
import { isStored, type Upload } from '../upload-state.ts';
import type { FileMatch } from './file-matcher.ts';
import type { Intake } from './intake.ts';

export interface GivenAgainParts {
  readonly ledger: Ledger;
  readonly files: FileShelf;
  readonly intake: Intake;
  readonly pipeline: Pipeline;
  readonly sessions: SessionKeeper;
  readonly retries: Retries;
  readonly wake: () => void;
}

/** The store lost it after it was finalized: the same bytes mend it. */
const isLost = (upload: Upload): boolean =>
  upload.status === 'processing-failed' && upload.failure.code === 'missing_blob';

/**
 * What a file is good for that is there already: its upload may lack it, have lost it, or have failed.
 *
 * @param isRelisted nobody gave it just now: the rest of a folder is being found
 */
export function givenAgain(
  parts: GivenAgainParts,
  { id, isSame }: FileMatch,
  file: File,
  isRelisted: boolean,
): void {
  const { ledger, files, intake, sessions } = parts;
  const upload = ledger.get(id);
  if (!upload) return;
  if (!isRelisted) sessions.recognised(id);
  if (isStored(upload.status)) {
    if (isRelisted || !isSame || !isLost(upload)) return;
    files.put(id, file);
    parts.pipeline.mend(ledger.apply(id, { type: 'bytes-missing' }));
    parts.wake();
  } else if (upload.status === 'detached') {
    intake.forget(upload);
    sessions.files.found(upload, file, isSame, file.lastModified);
    const found = ledger.get(id);
    if (found) intake.know(found);
  } else if (!isRelisted) {
    if (upload.status !== 'rejected') files.put(id, file);
    parts.retries.retry(id);
  }
}
