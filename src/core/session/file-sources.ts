import type { Runtime } from '../../runtime/runtime.ts';
import type { Journal } from '../../storage/journal.ts';
import type { Shelved } from '../file-shelf.ts';
import type { Upload } from '../upload-state.ts';
import type { FileRoots } from './file-roots.ts';
import { LentFile, MAX_LENT_BYTES } from './lent-file.ts';
import type { SafeCopies } from './safe-copies.ts';
import type { SessionBook } from './session-book.ts';

export interface FilePlaces {
  readonly runtime: Runtime;
  readonly journal: Journal;
  readonly roots: FileRoots;
  readonly copies: SafeCopies;
}

/**
 * Where the files of a session's uploads can be read from: another tab, a handle, the browser's storage.
 * Files of another tab that are too large to be copied have to be given again.
 *
 * @param shared what another tab told, by the uploads' places in the session
 * @returns what gives the file of an upload; undefined for one that a person has to give again
 */
export async function fileSources(
  book: SessionBook,
  { runtime, journal, roots, copies }: FilePlaces,
  shared: ReadonlyMap<number, File>,
): Promise<(upload: Upload) => Shelved | undefined> {
  const copied = new Set(await journal.copies(book.id));
  return (upload) => {
    const seq = book.seqOf(upload.id);
    if (seq === undefined) return undefined;
    const told = shared.get(seq);
    if (told && told.size <= MAX_LENT_BYTES) return new LentFile(told, runtime);
    const source = roots.sourceOf(upload);
    if (source || !copied.has(seq)) return source;
    return copies.adopt(upload.id, { sessionId: book.id, seq, sizeBytes: upload.sizeBytes });
  };
}
