import type { Journal } from '../../storage/journal.ts';
import type { Shelved } from '../file-shelf.ts';
import { isEnded, isStored, type Need, type Upload } from '../upload-state.ts';
import { FileRoots } from './file-roots.ts';
import { fileSources } from './file-sources.ts';
import { SafeCopies } from './safe-copies.ts';
import type { SessionBook } from './session-book.ts';
import type { SessionHost } from './session-host.ts';

/** Where the files of uploads come from when their page is gone, and what is kept for that. */
export class SessionFiles {
  readonly roots: FileRoots;
  readonly #host: SessionHost;
  readonly #journal: Journal;
  readonly #copies: SafeCopies;

  constructor(host: SessionHost, journal: Journal, maxCopiedBytes: number) {
    this.#host = host;
    this.#journal = journal;
    this.roots = new FileRoots(journal);
    this.#copies = new SafeCopies(journal, maxCopiedBytes, (error) =>
      host.emitter.emit({ type: 'safe-copies-stopped', error }),
    );
  }

  /** A file of a detached upload is there. `isSame`: beyond doubt. */
  found(upload: Upload, file: Shelved, isSame = true, lastModifiedMs?: number): void {
    const { files, ledger } = this.#host;
    files.put(upload.id, file);
    const modifiedMs = lastModifiedMs ?? upload.lastModifiedMs;
    const event = { type: 'file-found', isSame, lastModifiedMs: modifiedMs } as const;
    this.#host.accept(ledger.apply(upload.id, event));
  }

  /** What it takes to read the file. */
  needOf(upload: Upload): Need {
    return this.roots.has(upload) ? 'permission' : 'file';
  }

  /** The person, or the browser, has taken a permission back. @returns whether that can be mended */
  lostPermission(upload: Upload): boolean {
    if (!this.roots.has(upload)) return false;
    this.roots.lost(upload);
    return true;
  }

  /** Asks for all folders. @returns how many uploads go on, and whether every question was asked */
  async requestPermission(): Promise<{ found: number; isAsked: boolean }> {
    const isAsked = await this.roots.request();
    let found = 0;
    for (const upload of [...this.#host.ledger.all()]) {
      if (upload.status !== 'detached' || upload.needs !== 'permission') continue;
      const source = this.roots.sourceOf(upload);
      if (!source) continue;
      this.found(upload, source);
      found += 1;
    }
    return { found, isAsked };
  }

  /** A person gave a file or folder by its handle: the next page can read it again. */
  async keepHandle(
    sessionId: string,
    batchId: string,
    giving: Promise<FileSystemHandle | null>,
  ): Promise<void> {
    const handle = await giving;
    if (handle) await this.roots.keep({ sessionId, batchId, handle });
  }

  /** A copy of the file, if copies are wanted and nothing else would bring it back. */
  copy(upload: Upload, sessionId: string, seq: number, file: File): void {
    if (!this.roots.has(upload)) this.#copies.keep(upload.id, sessionId, seq, file);
  }

  /** The upload ended: its copy makes room for another. */
  release(uploadId: string): void {
    this.#copies.release(uploadId);
  }

  /**
   * Finds the files of a session that was brought back, as far as this page can read them.
   *
   * @param shared what another tab told, by the uploads' places in the session
   * @returns the ids of detached uploads that go on
   */
  async bring(
    book: SessionBook,
    uploadsOf: () => readonly Upload[],
    shared: ReadonlyMap<number, File>,
  ): Promise<ReadonlySet<string>> {
    const places = {
      runtime: this.#host.runtime,
      journal: this.#journal,
      roots: this.roots,
      copies: this.#copies,
    };
    const sources = await fileSources(book, places, shared);
    const found = new Set<string>();
    for (const upload of uploadsOf()) {
      if (isEnded(upload.status) || isStored(upload.status)) continue;
      const source = sources(upload);
      if (source && upload.status === 'detached') {
        this.found(upload, source);
        found.add(upload.id);
      } else if (source) {
        this.#host.files.put(upload.id, source);
      } else {
        this.#lacksFile(upload);
      }
    }
    return found;
  }

  #lacksFile(upload: Upload): void {
    const needs = this.needOf(upload);
    const isNews = upload.status === 'hashed' || (upload.status === 'detached' && needs !== 'file');
    if (isNews) this.#host.ledger.apply(upload.id, { type: 'file-lost', needs });
  }
}
