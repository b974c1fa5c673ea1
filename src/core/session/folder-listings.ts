import type { FileRoots } from './file-roots.ts';
import type { SessionBook } from './session-book.ts';

/**
 * Which sessions are whole. While this page lists anything, the session that takes it in is not; and one
 * whose page ended amid a listing stays half listed until its folders have been listed again, by their
 * handles or because the person gave them again.
 */
export class FolderListings {
  readonly #roots: FileRoots;
  readonly #isOver: () => boolean;
  /** Listings under way. */
  #count = 0;
  /** Half-listed sessions of which files were found again, in a listing that is under way. */
  readonly #recognised = new Set<SessionBook>();
  /** Sessions whose folders are being listed by their handles. */
  readonly #relisting = new Set<SessionBook>();

  /** @param isOver whether the page has ended */
  constructor(roots: FileRoots, isOver: () => boolean) {
    this.#roots = roots;
    this.#isOver = isOver;
  }

  /** Something is being listed. */
  get isListing(): boolean {
    return this.#count > 0;
  }

  begin(): void {
    this.#count += 1;
  }

  /** @returns whether it was the last one, and all of it was listed */
  end(): boolean {
    this.#count -= 1;
    if (this.#count > 0 || this.#isOver()) return false;
    for (const book of this.#recognised) book.setHalfListed(false);
    this.#recognised.clear();
    return true;
  }

  /** A file of this session was found again. */
  recognised(book: SessionBook): void {
    if (book.isHalfListed) this.#recognised.add(book);
  }

  forget(book: SessionBook): void {
    this.#recognised.delete(book);
  }

  /** Lists the folders of a session that was interrupted while they were listed, as far as they can be. */
  async again(
    book: SessionBook,
    list: (handle: FileSystemHandle, batchId: string) => Promise<unknown>,
  ): Promise<void> {
    if (!book.isHalfListed || this.#relisting.has(book)) return;
    this.#relisting.add(book);
    try {
      const roots = this.#roots.readable(book.id);
      for (const { handle, batchId } of roots) await list(handle, batchId);
      const isWhole = roots.length > 0 && this.#roots.areReadable(book.id);
      if (isWhole && !this.#isOver()) book.setHalfListed(false);
    } finally {
      this.#relisting.delete(book);
    }
  }
}
