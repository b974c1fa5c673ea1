import type { Journal } from '../../storage/journal.ts';
import type { FileSource } from '../file-shelf.ts';
import type { Upload } from '../upload-state.ts';
import type { FileRoots } from './file-roots.ts';
import type { SafeCopies } from './safe-copies.ts';
import type { SessionBook } from './session-book.ts';

export interface FilePlaces {
  readonly journal: Journal;
  readonly roots: FileRoots;
  readonly copies: SafeCopies;
}

/**
 * Where the files of a session's uploads can be read from: another tab, a handle, the browser's storage.
 *
 * @param shared what another tab told, by the uploads' places in the session
 * @returns what opens the file of an upload; undefined for one that a person has to give again
 */
export async function fileSources(
  book: SessionBook,
  { journal, roots, copies }: FilePlaces,
  shared: ReadonlyMap<number, File>,
): Promise<(upload: Upload) => FileSource | undefined> {
  const copied = new Set(await journal.copies(book.id));
  return (upload) => {
    const seq = book.seqOf(upload.id);
    if (seq === undefined) return undefined;
    const told = shared.get(seq);
    if (told) return () => inMemory(told);
    const source = roots.sourceOf(upload);
    if (source || !copied.has(seq)) return source;
    return copies.adopt(upload.id, { sessionId: book.id, seq, sizeBytes: upload.sizeBytes });
  };
}

/**
 * A file that another tab was given can be read, but Chromium does not let this tab send it: its bytes
 * can be sent.
 */
async function inMemory(file: File): Promise<File> {
  const { name, type, lastModified } = file;
  return new File([await file.arrayBuffer()], name, { type, lastModified });
}
