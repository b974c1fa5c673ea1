import type { SessionRecord } from '../../storage/journal.ts';
import type { UploadStorage } from '../../storage/upload-storage.ts';
import type { FoundRoot } from '../intake/collect-files.ts';
import { isEnded, isStored, type Upload } from '../upload-state.ts';
import { ChecksumCache } from './checksum-cache.ts';
import { FolderListings } from './folder-listings.ts';
import { HeldSessions } from './held-sessions.ts';
import { quietly } from './quietly.ts';
import type { SessionBook } from './session-book.ts';
import { SessionBooks } from './session-books.ts';
import { SessionError } from './session-error.ts';
import { SessionFiles } from './session-files.ts';
import type { SessionHost, SessionSettings } from './session-host.ts';
import { type SessionInfo, SessionList, toSessionInfo } from './session-list.ts';
import { SessionResumer } from './session-resumer.ts';
import { SessionTabs } from './session-tabs.ts';
import type { ResumeResult, Sessions } from './sessions.ts';

/**
 * Keeps this page's uploads in the journal: what happens to them goes to the book of their session. A session
 * is what one page began; whoever holds its lock works on it.
 */
export class SessionKeeper implements Sessions {
  readonly checksums: ChecksumCache;
  readonly files: SessionFiles;
  readonly #host: SessionHost;
  readonly #storage: UploadStorage;
  readonly #settings: SessionSettings;
  readonly #books: SessionBooks;
  readonly #held: HeldSessions;
  readonly #resumer: SessionResumer;
  readonly #listings: FolderListings;
  readonly #list: SessionList;
  readonly #tabs: SessionTabs;
  readonly #stopHiding: () => void;
  #hasWritten = false;

  constructor(host: SessionHost, storage: UploadStorage, settings: SessionSettings) {
    this.#host = host;
    this.#storage = storage;
    this.#settings = settings;
    const { runtime, emitter } = host;
    const { journal, channel } = storage;
    this.checksums = new ChecksumCache(journal, runtime, settings.scope);
    this.files = new SessionFiles(host, journal, settings.maxCopiedBytes);
    this.#listings = new FolderListings(this.files.roots, () => host.signal.aborted);
    this.#list = new SessionList(runtime);
    const books = new SessionBooks({
      host,
      journal,
      scope: settings.scope,
      takeChecksums: () => this.checksums.takeComputed(),
      onWritten: (book) => this.#written(book),
    });
    this.#books = books;
    this.#tabs = new SessionTabs({
      runtime,
      channel,
      sessionIds: () => books.all().map(({ id }) => id),
      snapshotOf: (id) => ({ ...host.snapshots.current, ...books.get(id)?.progress }),
      filesOf: (id) => books.filesOf(id),
      onProgress: (id, progress) => {
        if (!books.get(id) && !this.#list.progressed(id, progress)) quietly(host, this.refresh());
      },
      onEnded: (id) => this.#list.remove(id),
    });
    const parts = {
      host,
      storage,
      settings,
      books,
      files: this.files,
      listings: this.#listings,
      list: this.#list,
      tabs: this.#tabs,
      refresh: () => this.refresh(),
    };
    const held = new HeldSessions(parts);
    this.#held = held;
    this.#resumer = new SessionResumer({ ...parts, held });
    // What was gathered for a quarter of a second would go with the page.
    this.#stopHiding = runtime.onHide(() => {
      for (const book of books.all()) quietly(host, book.flush());
    });
    emitter.on('upload-added', ({ upload }) => this.#added(upload));
    emitter.on('upload-changed', ({ upload, previous }) => {
      const book = books.of(upload.id);
      if (book && !book.isClosed) book.changed(upload, previous);
      else if (!isStored(upload.status)) this.#enter(upload);
      if (isStored(upload.status) || isEnded(upload.status)) this.files.release(upload.id);
      if (upload.status === 'cancelled') held.closeFinishedSoon();
    });
    emitter.on('upload-removed', ({ upload }) => {
      books.remove(upload);
      held.closeFinishedSoon();
    });
    emitter.on('uploads-drained', () => held.closeFinished());
    quietly(host, this.#resumer.open());
  }

  /** Whether what is left outlives this page. */
  get survivesReload(): boolean {
    return this.#hasWritten && this.#storage.journal.isDurable;
  }

  getSnapshot(): readonly SessionInfo[] {
    return this.#list.current;
  }

  subscribe(listener: () => void): () => void {
    return this.#list.subscribe(listener);
  }

  async refresh(): Promise<readonly SessionInfo[]> {
    const { journal, locks } = this.#storage;
    // In this order: a session is locked before it is written.
    const records = await journal.sessions(this.#settings.scope);
    const locked = await locks.held();
    if (this.#host.signal.aborted) return this.#list.current;
    const sessions: Omit<SessionInfo, 'progress'>[] = [];
    for (const record of records) {
      const book = this.#books.get(record.id);
      if (book) {
        sessions.push(toSessionInfo(book.record, 'here'));
      } else if (locked.has(record.id)) {
        sessions.push(toSessionInfo(record, 'elsewhere'));
        quietly(this.#host, this.#resumer.await(record.id));
      } else if (isOver(record)) {
        quietly(this.#host, this.#held.clear(record.id, isOver));
      } else {
        sessions.push(toSessionInfo(record, 'interrupted'));
      }
    }
    this.#list.replace(sessions);
    return this.#list.current;
  }

  resume(id: string): Promise<ResumeResult> {
    return this.#resumer.resume(id);
  }

  async discard(id: string): Promise<void> {
    const book = this.#books.get(id);
    if (!book) {
      await this.#held.clear(id, () => true);
      return;
    }
    for (const upload of this.#books.uploadsOf(id)) this.#host.cancel(upload);
    await this.#held.close(book);
  }

  async requestPermission(): Promise<number> {
    const { found, isAsked } = await this.files.requestPermission();
    for (const { id } of this.#books.all()) this.#resumer.listAgain(id);
    if (!isAsked) throw new SessionError('needs_click');
    return found;
  }

  /** A folder is being listed. @returns what to call when all of it was */
  listing(): () => void {
    this.#listings.begin();
    this.#books.current?.setListing(true);
    return () => {
      if (!this.#listings.end()) return;
      this.#books.current?.setListing(false);
      // All of it may have been there already.
      this.#held.closeFinished();
    };
  }

  /** A file that is there already was found again: what it belongs to is being listed again. */
  recognised(uploadId: string): void {
    const book = this.#books.of(uploadId);
    if (book) this.#listings.recognised(book);
  }

  /** A person gave a file or folder by its handle: the next page can read it again. */
  given(batchId: string, { handle }: FoundRoot): void {
    const book = this.#bookOfBatch(batchId);
    this.#books.claimBatch(batchId, book);
    quietly(this.#host, this.files.keepHandle(book.id, batchId, handle));
  }

  /** The snapshot changed. */
  changed(): void {
    if (this.#books.all().length > 0) this.#tabs.changed();
  }

  /** Writes what there is to write, and lets go of everything. */
  async dispose(): Promise<void> {
    this.#stopHiding();
    this.#tabs.dispose();
    await this.#held.dispose();
    this.#storage.journal.close();
  }

  #added(upload: Upload): void {
    if (this.#books.of(upload.id)) return;
    const book = this.#enter(upload);
    if (upload.status !== 'queued') return;
    this.checksums.expect(upload);
    const file = this.#host.files.atHand(upload.id);
    const seq = book.seqOf(upload.id);
    if (seq === undefined || !(file instanceof File)) return;
    this.#tabs.shared(book.id, seq, file);
    this.files.copy(upload, book.id, seq, file);
  }

  #enter(upload: Upload): SessionBook {
    const book = this.#bookOfBatch(upload.batchId);
    book.add(upload);
    this.#books.claim(upload.id, book);
    return book;
  }

  #bookOfBatch(batchId: string): SessionBook {
    const known = this.#books.ofBatch(batchId);
    if (known) return known;
    const book = this.#held.begin();
    if (this.#listings.isListing) book.setListing(true);
    return book;
  }

  #written(book: SessionBook): void {
    this.#list.put(toSessionInfo(book.record, 'here'));
    if (this.#hasWritten) return;
    this.#hasWritten = true;
    this.#host.snapshots.changed();
  }
}

/** Everything has arrived, and nobody has anything to decide. */
const isOver = ({ summary: { left, failed, isComplete } }: SessionRecord) =>
  left + failed === 0 && isComplete;
