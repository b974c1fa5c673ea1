import type { TimerHandle } from '../../runtime/runtime.ts';
import type { SessionRecord } from '../../storage/journal.ts';
import type { Release } from '../../storage/session-locks.ts';
import type { UploadStorage } from '../../storage/upload-storage.ts';
import { isEnded, isStored } from '../upload-state.ts';
import type { FolderListings } from './folder-listings.ts';
import { quietly } from './quietly.ts';
import type { SessionBook } from './session-book.ts';
import type { SessionBooks } from './session-books.ts';
import { SessionError } from './session-error.ts';
import type { SessionFiles } from './session-files.ts';
import type { SessionHost, SessionSettings } from './session-host.ts';
import { type SessionList, toSessionInfo } from './session-list.ts';
import type { SessionTabs } from './session-tabs.ts';

export interface HeldSessionsParts {
  readonly host: SessionHost;
  readonly storage: UploadStorage;
  readonly settings: SessionSettings;
  readonly books: SessionBooks;
  readonly files: SessionFiles;
  readonly listings: FolderListings;
  readonly list: SessionList;
  readonly tabs: SessionTabs;
  readonly refresh: () => Promise<unknown>;
}

/** The sessions whose locks this page holds, from the lock to their end: finished, discarded or lost. */
export class HeldSessions {
  readonly #parts: HeldSessionsParts;
  readonly #releases = new Map<string, Release>();
  #closing: TimerHandle | undefined;

  constructor(parts: HeldSessionsParts) {
    this.#parts = parts;
  }

  /** A session of this page's own. */
  begin(): SessionBook {
    const { host, books } = this.#parts;
    const book = books.create(host.runtime.uuid(), host.runtime.epochNow());
    books.current = book;
    const open = async () => this.opened(book, await this.hold(book.id));
    open().catch((error: unknown) => host.runtime.reportError(error));
    return book;
  }

  /** @throws SessionError `elsewhere` */
  async hold(id: string): Promise<Release> {
    const release = await this.#parts.storage.locks.hold(id, () => this.#lost(id));
    if (release) return release;
    throw new SessionError('elsewhere');
  }

  /** Waits until the tab that has the session is gone. */
  whenFree(id: string): Promise<Release> {
    const { host, storage } = this.#parts;
    return storage.locks.whenFree(id, host.signal, () => this.#lost(id));
  }

  /** The session is this page's, and can be written. */
  opened(book: SessionBook, release: Release): void {
    const { host, list } = this.#parts;
    if (book.isClosed || host.signal.aborted) {
      release();
      return;
    }
    this.#releases.set(book.id, release);
    book.open();
    list.put(toSessionInfo(book.record, 'here'));
  }

  /** What the journal has of it stays there; what is left to send is another tab's, or a later page's. */
  lost(book: SessionBook): void {
    const { host, books, refresh } = this.#parts;
    for (const { id, status } of books.uploadsOf(book.id)) {
      if (!isEnded(status) && !isStored(status)) host.drop(id);
    }
    this.#forget(book);
    quietly(host, refresh());
  }

  async find(id: string): Promise<SessionRecord | undefined> {
    const { storage, settings } = this.#parts;
    const records = await storage.journal.sessions(settings.scope);
    return records.find((record) => record.id === id);
  }

  /**
   * Forgets a session that nobody works on, if it is (still) as `isMeant` says: what was known of it before
   * it was held may be old.
   *
   * @throws SessionError `elsewhere` or `not_found`
   */
  async clear(id: string, isMeant: (record: SessionRecord) => boolean): Promise<void> {
    const { storage, list, tabs } = this.#parts;
    const release = await this.hold(id);
    try {
      const record = await this.find(id);
      if (!record) throw new SessionError('not_found');
      if (!isMeant(record)) return;
      await storage.journal.remove(id);
      list.remove(id);
      tabs.ended(id);
    } finally {
      release();
    }
  }

  /** Many may be cancelled or cleared at once. */
  closeFinishedSoon(): void {
    this.#closing ??= this.#parts.host.runtime.setTimer(() => {
      this.#closing = undefined;
      this.closeFinished();
    }, 0);
  }

  closeFinished(): void {
    const { host, books } = this.#parts;
    for (const book of books.all()) {
      if (book.isFinished) quietly(host, this.#closeIfFinished(book));
    }
  }

  /** Forgets a session that this page is done with. */
  async close(book: SessionBook): Promise<void> {
    if (book.isClosed) return;
    const release = this.#releases.get(book.id);
    this.#forget(book);
    await this.#parts.storage.journal.remove(book.id);
    this.#parts.tabs.ended(book.id);
    release?.();
  }

  /** Writes what there is to write, and lets go of all. */
  async dispose(): Promise<void> {
    const { host, books } = this.#parts;
    if (this.#closing !== undefined) host.runtime.clearTimer(this.#closing);
    await Promise.all(
      books.all().map(async (book) => {
        await book.flush();
        book.close();
        this.#releases.get(book.id)?.();
      }),
    );
  }

  /** Another tab has taken the session, while this page was frozen. */
  #lost(id: string): void {
    const book = this.#parts.books.get(id);
    if (book) this.lost(book);
  }

  /** First what it still has to write: checksums outlive their session. */
  async #closeIfFinished(book: SessionBook): Promise<void> {
    await book.flush();
    if (book.isFinished && !this.#parts.host.signal.aborted) await this.close(book);
  }

  #forget(book: SessionBook): void {
    const { books, files, listings, list } = this.#parts;
    books.close(book);
    this.#releases.delete(book.id);
    files.roots.forget(book.id);
    listings.forget(book);
    list.remove(book.id);
  }
}
