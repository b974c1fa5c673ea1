import type { Journal } from '../../storage/journal.ts';
import { isStored } from '../upload-state.ts';
import type { SessionBook } from './session-book.ts';
import type { SessionHost } from './session-host.ts';
import { fromStoredRow, type StoredUpload } from './stored-row.ts';

/** Reading gives way to the page after so long. */
const SLICE_MS = 12;

/**
 * Brings the uploads of a session back into the ledger, each as another page can go on with it.
 *
 * @param claim called with each upload's id before anybody hears of it
 * @returns how many there are
 */
export async function readSession(
  host: SessionHost,
  journal: Journal,
  book: SessionBook,
  claim: (uploadId: string) => void,
): Promise<number> {
  const { runtime, signal } = host;
  let restored = 0;
  let sliceEndMs = runtime.now() + SLICE_MS;
  for await (const entries of journal.entries(book.id)) {
    for (const { seq, row } of entries) {
      if (signal.aborted) return restored;
      const stored = fromStoredRow(row);
      if (stored && take(host, book, seq, stored, claim)) restored += 1;
      if (runtime.now() < sliceEndMs) continue;
      await runtime.yieldToPage();
      sliceEndMs = runtime.now() + SLICE_MS;
    }
  }
  return restored;
}

/** @returns whether it was taken in: the same file may have been added to this page already */
function take(
  host: SessionHost,
  book: SessionBook,
  seq: number,
  { upload, times, attempts }: StoredUpload,
  claim: (uploadId: string) => void,
): boolean {
  const { ledger, attemptLog } = host;
  book.restore(upload, seq);
  if (ledger.get(upload.id) || (!isStored(upload.status) && host.hasOther(upload))) {
    book.remove(upload);
    return false;
  }
  claim(upload.id);
  for (const attempt of attempts) attemptLog.add(upload.id, attempt);
  ledger.restore(upload, times);
  host.know(upload);
  return true;
}
