import type { ChecksumEntry, Journal } from '../../storage/journal.ts';
import type { Upload } from '../upload-state.ts';
import { SessionBook } from './session-book.ts';
import type { SessionHost } from './session-host.ts';
import { toStoredRow } from './stored-row.ts';

export interface SessionBooksParts {
  readonly host: SessionHost;
  readonly journal: Journal;
  /** Whose sessions. */
  readonly scope: string;
  /** Checksums that were computed since it was last asked. */
  readonly takeChecksums: () => readonly ChecksumEntry[];
  /** A change was written. */
  readonly onWritten: (book: SessionBook) => void;
}

/** The books of the sessions that this page works on, and which uploads and batches belong to which. */
export class SessionBooks {
  /** Takes what is added. */
  current: SessionBook | undefined;
  readonly #parts: SessionBooksParts;
  readonly #books = new Map<string, SessionBook>();
  readonly #bookOf = new Map<string, SessionBook>();
  /** Where what is added with a batch belongs: a folder that is listed again has one already. */
  readonly #batches = new Map<string, SessionBook>();

  constructor(parts: SessionBooksParts) {
    this.#parts = parts;
  }

  get(sessionId: string): SessionBook | undefined {
    return this.#books.get(sessionId);
  }

  all(): SessionBook[] {
    return [...this.#books.values()];
  }

  create(id: string, createdMs: number): SessionBook {
    const { host, journal, scope, takeChecksums, onWritten } = this.#parts;
    const book = new SessionBook({
      runtime: host.runtime,
      journal,
      id,
      scope,
      createdMs,
      rowOf: (uploadId) => this.#rowOf(uploadId),
      takeChecksums,
      onWritten: () => onWritten(book),
    });
    this.#books.set(id, book);
    return book;
  }

  of(uploadId: string): SessionBook | undefined {
    return this.#bookOf.get(uploadId);
  }

  /** The rest of a folder belongs to the session that began it. */
  ofBatch(batchId: string): SessionBook | undefined {
    const book = this.#batches.get(batchId);
    return book && !book.isClosed ? book : this.current;
  }

  claim(uploadId: string, book: SessionBook): void {
    this.#bookOf.set(uploadId, book);
  }

  claimBatch(batchId: string, book: SessionBook): void {
    this.#batches.set(batchId, book);
  }

  remove(upload: Upload): void {
    this.#bookOf.get(upload.id)?.remove(upload);
    this.#bookOf.delete(upload.id);
  }

  uploadsOf(sessionId: string): Upload[] {
    const { ledger } = this.#parts.host;
    return [...ledger.all()].filter(({ id }) => this.#bookOf.get(id)?.id === sessionId);
  }

  /** The files that this page holds of a session, by their uploads' places. */
  *filesOf(sessionId: string): Iterable<readonly [number, File]> {
    const { files } = this.#parts.host;
    for (const { id } of this.uploadsOf(sessionId)) {
      const file = files.atHand(id);
      const seq = this.#bookOf.get(id)?.seqOf(id);
      if (file instanceof File && seq !== undefined) yield [seq, file];
    }
  }

  close(book: SessionBook): void {
    book.close();
    this.#books.delete(book.id);
    for (const [batchId, owner] of this.#batches) if (owner === book) this.#batches.delete(batchId);
    if (this.current === book) this.current = undefined;
  }

  #rowOf(uploadId: string): unknown {
    const { ledger, attemptLog } = this.#parts.host;
    const upload = ledger.get(uploadId);
    const times = ledger.timeline.of(uploadId);
    return upload && times && toStoredRow({ upload, times, attempts: attemptLog.of(uploadId) });
  }
}
