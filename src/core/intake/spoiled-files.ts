import type { Emitter } from '../emitter.ts';
import type { Ledger } from '../ledger.ts';
import type { Upload } from '../upload-state.ts';

export interface SpoiledFilesParts {
  readonly emitter: Emitter;
  readonly ledger: Ledger;
  /** Forgets an upload. */
  remove(id: string): void;
}

/** What was wrong was the file: one that is added at the same place takes its place. */
const FILE_CODES: ReadonlySet<string> = new Set(['file_changed', 'file_unreadable']);

const isSpoiled = (upload: Upload | undefined): boolean =>
  upload?.status === 'rejected' ||
  (upload?.status === 'dead' && FILE_CODES.has(upload.failure.code));

/** Uploads that failed for what their file was: another file of that path replaces them. */
export class SpoiledFiles {
  readonly #parts: SpoiledFilesParts;
  readonly #byPath = new Map<string, string>();

  constructor(parts: SpoiledFilesParts) {
    this.#parts = parts;
    const { emitter } = parts;
    // Those of an earlier page come with their failure.
    emitter.on('upload-added', ({ upload }) => this.#note(upload));
    emitter.on('upload-changed', ({ upload }) => this.#note(upload));
    emitter.on('upload-removed', ({ upload }) => this.#forget(upload));
  }

  /** A file of that path is there. */
  replace(path: string): void {
    const id = this.#byPath.get(path);
    if (id !== undefined && isSpoiled(this.#parts.ledger.get(id))) this.#parts.remove(id);
  }

  #note(upload: Upload): void {
    if (isSpoiled(upload)) this.#byPath.set(upload.path, upload.id);
    else this.#forget(upload);
  }

  #forget({ id, path }: Upload): void {
    if (this.#byPath.get(path) === id) this.#byPath.delete(path);
  }
}
