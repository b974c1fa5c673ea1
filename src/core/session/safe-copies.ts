import type { Journal } from '../../storage/journal.ts';
import type { FileSource } from '../file-shelf.ts';

interface Copy {
  readonly sessionId: string;
  readonly seq: number;
  readonly sizeBytes: number;
}

/**
 * Copies of files within a budget of bytes, in the browser's own storage, for browsers that forget files
 * with the page. In the order of the uploads, one at a time; those that are stored meanwhile are left out.
 */
export class SafeCopies {
  readonly #journal: Journal;
  readonly #onFull: (error: unknown) => void;
  readonly #maxBytes: number;
  readonly #waiting = new Map<string, Copy & { readonly file: File }>();
  readonly #kept = new Map<string, Copy>();
  #keptBytes = 0;
  #isFull = false;
  #isCopying = false;

  /** @param onFull called once, when the browser has no room or stores no files */
  constructor(journal: Journal, maxBytes: number, onFull: (error: unknown) => void) {
    this.#journal = journal;
    this.#onFull = onFull;
    this.#maxBytes = maxBytes;
  }

  /** Keeps a copy of the file until its upload ends, if there is room. */
  keep(uploadId: string, sessionId: string, seq: number, file: File): void {
    if (file.size > this.#maxBytes || this.#isFull) return;
    this.#waiting.set(uploadId, { sessionId, seq, sizeBytes: file.size, file });
    void this.#copyAll();
  }

  /** The upload ended: its copy makes room for the next. */
  release(uploadId: string): void {
    this.#waiting.delete(uploadId);
    const copy = this.#kept.get(uploadId);
    if (!copy) return;
    this.#kept.delete(uploadId);
    this.#keptBytes -= copy.sizeBytes;
    void this.#journal.removeCopy(copy.sessionId, copy.seq).then(() => this.#copyAll());
  }

  /** A copy that an earlier page kept. */
  adopt(uploadId: string, copy: Copy): FileSource {
    const { sessionId, seq, sizeBytes } = copy;
    this.#kept.set(uploadId, copy);
    this.#keptBytes += sizeBytes;
    return async () => {
      const file = await this.#journal.copy(sessionId, seq);
      if (file?.size === sizeBytes) return file;
      throw new DOMException('The copy is no longer there', 'NotFoundError');
    };
  }

  async #copyAll(): Promise<void> {
    if (this.#isCopying) return;
    this.#isCopying = true;
    try {
      for (const [uploadId, copy] of this.#waiting) {
        if (this.#isFull || this.#keptBytes + copy.sizeBytes > this.#maxBytes) return;
        this.#waiting.delete(uploadId);
        await this.#copy(uploadId, copy);
      }
    } finally {
      this.#isCopying = false;
    }
  }

  async #copy(uploadId: string, { file, ...copy }: Copy & { readonly file: File }): Promise<void> {
    this.#kept.set(uploadId, copy);
    this.#keptBytes += copy.sizeBytes;
    try {
      await this.#journal.keepCopy(copy.sessionId, copy.seq, file);
    } catch (error) {
      // No room, or a browser that stores no files: the next one would fare the same.
      this.#isFull = true;
      this.#waiting.clear();
      this.release(uploadId);
      this.#onFull(error);
    }
    if (!this.#kept.has(uploadId)) await this.#journal.removeCopy(copy.sessionId, copy.seq);
  }
}
