import type { Journal } from '../../storage/journal.ts';
import { isStored } from '../upload-state.ts';
import type { SessionBook } from './session-book.ts';
import type { SessionHost } from './session-host.ts';
import { fromStoredRow, isForeignRow, type StoredUpload } from './stored-row.ts';

/** Reading gives way to the page after so long. */
const SLICE_MS = 12;

/** What was read, in rows. */
export interface ReadResult {
  /** Brought back. */
  restored: number;
  /** Damaged, or of another version of this software. */
  unreadable: number;
}

/**
 * Brings the uploads of a session back into the ledger, each as another page can go on with it.
 *
 * @param claim called with each upload's id before anybody hears of it
 */
export async function readSession(
  host: SessionHost,
  journal: Journal,
  book: SessionBook,
  claim: (uploadId: string) => void,
): Promise<ReadResult> {
  const { runtime, signal } = host;
  const result: ReadResult = { restored: 0, unreadable: 0 };
  let sliceEndMs = runtime.now() + SLICE_MS;
  for await (const entries of journal.entries(book.id)) {
    for (const { seq, row } of entries) {
      if (signal.aborted) return result;
      const stored = fromStoredRow(row);
      if (!stored) {
        result.unreadable += 1;
        if (isForeignRow(row)) book.keepForeign(seq);
        else book.dropDamaged(seq);
      } else if (take(host, book, seq, stored, claim)) {
        result.restored += 1;
      }
      if (runtime.now() < sliceEndMs) continue;
      await runtime.yieldToPage();
      sliceEndMs = runtime.now() + SLICE_MS;
    }
  }
  return result;
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
  // An attempt to read this session failed before, half-way.
  const known = ledger.get(upload.id);
  book.restore(known ?? upload, seq);
  if (known) {
    claim(upload.id);
    return true;
  }
  const other = host.otherOf(upload);
  if (other && (!isStored(upload.status) || isStored(other.status))) {
    book.remove(upload);
    return false;
  }
  // What is stored need not be sent: it was added again before anybody knew.
  if (other) host.drop(other.id);
  claim(upload.id);
  for (const attempt of attempts) attemptLog.add(upload.id, attempt);
  ledger.restore(upload, times);
  host.know(upload);
  return true;
}
