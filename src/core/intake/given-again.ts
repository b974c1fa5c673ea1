import type { Engine } from '../engine.ts';
import { isStored, type Upload } from '../upload-state.ts';
import type { FileMatch } from './file-matcher.ts';

/** The store lost it after it was finalized: the same bytes mend it. */
const isLost = (upload: Upload): boolean =>
  upload.status === 'processing-failed' && upload.failure.code === 'missing_blob';

/**
 * What a file is good for that is there already: its upload may lack it, have lost it, or have failed.
 *
 * @param isRelisted nobody gave it just now: the rest of a folder is being found
 */
export function givenAgain(
  engine: Engine,
  { id, isSame }: FileMatch,
  file: File,
  isRelisted: boolean,
): void {
  const { ledger, files, intake, pipeline, sessions, retries } = engine;
  const upload = ledger.get(id);
  if (!upload) return;
  if (!isRelisted) sessions.recognised(id);
  if (isStored(upload.status)) {
    if (isRelisted || !isSame || !isLost(upload)) return;
    files.put(id, file);
    pipeline.mend(ledger.apply(id, { type: 'bytes-missing' }));
    engine.wake();
  } else if (upload.status === 'detached') {
    intake.forget(upload);
    sessions.files.found(upload, file, isSame, file.lastModified);
    const found = ledger.get(id);
    if (found) intake.know(found);
  } else if (!isRelisted) {
    if (upload.status !== 'rejected') files.put(id, file);
    retries.retry(id);
  }
}
