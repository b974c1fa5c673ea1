import type { TimerHandle } from '../../runtime/runtime.ts';
import type { SessionRecord } from '../../storage/journal.ts';
import type { Release } from '../../storage/session-locks.ts';
import type { UploadStorage } from '../../storage/upload-storage.ts';
import { collectFiles, type FoundRoot } from '../intake/collect-files.ts';
import { isEnded, isStored, type Upload } from '../upload-state.ts';
import { ChecksumCache } from './checksum-cache.ts';
import { FolderListings } from './folder-listings.ts';
import { type ReadResult, readSession } from './read-session.ts';
import { reconcile } from './reconcile.ts';
import { SessionBook } from './session-book.ts';
import { SessionError } from './session-error.ts';
import { SessionFiles } from './session-files.ts';
import type { SessionHost, SessionSettings } from './session-host.ts';
import { type SessionInfo, SessionList, toSessionInfo } from './session-list.ts';
import { SessionTabs } from './session-tabs.ts';
import type { ResumeResult, Sessions } from './sessions.ts';
import { toStoredRow } from './stored-row.ts';

/**
 * Keeps this page's uploads in the journal, and brings back those of earlier pages. A session is what one
 * page began; whoever holds its lock works on it. One file, though a long one: it is the life of a session
 * from its first row to its removal, and each step only tells a part what to do.
 */
export class SessionKeeper implements Sessions {
  readonly checksums: ChecksumCache;
  readonly files: SessionFiles;
  readonly #host: SessionHost;
  readonly #storage: UploadStorage;
  readonly #settings: SessionSettings;
  readonly #list: SessionList;
  readonly #tabs: SessionTabs;
  readonly #books = new Map<string, SessionBook>();
  readonly #bookOf = new Map<string, SessionBook>();
  readonly #releases = new Map<string, Release>();
  /** Sessions of other tabs that this one goes on with when those die. */
  readonly #awaited = new Set<string>();
  /** Sessions that are being brought back. */
  readonly #resuming = new Map<string, Promise<ResumeResult>>();
  /** Where what is added with a batch belongs: a folder that is listed again has one already. */
  readonly #batches = new Map<string, SessionBook>();
  readonly #listings: FolderListings;
  /** Takes what is added. */
  #current: SessionBook | undefined;
  #hasWritten = false;
  #closing: TimerHandle | undefined;
  readonly #stopHiding: () => void;

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
    this.#tabs = new SessionTabs({
      runtime,
      channel,
      sessionIds: () => this.#books.keys(),
      snapshotOf: (id) => ({ ...host.snapshots.current, ...this.#books.get(id)?.progress }),
      filesOf: (sessionId) => this.#filesOf(sessionId),
      onProgress: (sessionId, progress) => {
        if (!this.#books.has(sessionId) && !this.#list.progressed(sessionId, progress)) {
          this.#quietly(this.refresh());
        }
      },
      onEnded: (sessionId) => this.#list.remove(sessionId),
    });
    // What was gathered for a quarter of a second would go with the page.
    this.#stopHiding = runtime.onHide(() => {
      for (const book of this.#books.values()) this.#quietly(book.flush());
    });
    emitter.on('upload-added', ({ upload }) => this.#added(upload));
    emitter.on('upload-changed', ({ upload, previous }) => {
      const book = this.#bookOf.get(upload.id);
      if (book && !book.isClosed) book.changed(upload, previous);
      else if (!isStored(upload.status)) this.#enter(upload);
      if (isStored(upload.status) || isEnded(upload.status)) this.files.release(upload.id);
      if (upload.status === 'cancelled') this.#closeFinishedSoon();
    });
    emitter.on('upload-removed', ({ upload }) => {
      this.#bookOf.get(upload.id)?.remove(upload);
      this.#bookOf.delete(upload.id);
      this.#closeFinishedSoon();
    });
    emitter.on('uploads-drained', () => this.#closeFinished());
    this.#quietly(this.#open());
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
    const held = await locks.held();
    if (this.#host.signal.aborted) return this.#list.current;
    const sessions: Omit<SessionInfo, 'progress'>[] = [];
    for (const record of records) {
      const book = this.#books.get(record.id);
      if (book) {
        sessions.push(toSessionInfo(book.record, 'here'));
      } else if (held.has(record.id)) {
        sessions.push(toSessionInfo(record, 'elsewhere'));
        this.#quietly(this.#await(record.id));
      } else if (isOver(record)) {
        this.#quietly(this.#clear(record.id, isOver));
      } else {
        sessions.push(toSessionInfo(record, 'interrupted'));
      }
    }
    this.#list.replace(sessions);
    return this.#list.current;
  }

  resume(id: string): Promise<ResumeResult> {
    const underWay = this.#resuming.get(id);
    if (underWay) return underWay;
    const resuming = this.#resume(id).finally(() => this.#resuming.delete(id));
    this.#resuming.set(id, resuming);
    return resuming;
  }

  async discard(id: string): Promise<void> {
    const book = this.#books.get(id);
    if (!book) {
      await this.#clear(id);
      return;
    }
    for (const upload of this.#uploadsOf(id)) this.#host.cancel(upload);
    await this.#close(book);
  }

  async requestPermission(): Promise<number> {
    const { found, isAsked } = await this.files.requestPermission();
    for (const id of this.#books.keys()) this.#listAgain(id);
    if (!isAsked) throw new SessionError('needs_click');
    return found;
  }

  /** A folder is being listed. @returns what to call when all of it was */
  listing(): () => void {
    this.#listings.begin();
    this.#current?.setListing(true);
    return () => {
      if (!this.#listings.end()) return;
      this.#current?.setListing(false);
      // All of it may have been there already.
      this.#closeFinished();
    };
  }

  /** A file that is there already was found again: what it belongs to is being listed again. */
  recognised(uploadId: string): void {
    const book = this.#bookOf.get(uploadId);
    if (book) this.#listings.recognised(book);
  }

  /** A person gave a file or folder by its handle: the next page can read it again. */
  given(batchId: string, { handle }: FoundRoot): void {
    const book = this.#bookOfBatch(batchId);
    this.#batches.set(batchId, book);
    this.#quietly(this.files.keepHandle(book.id, batchId, handle));
  }

  /** The snapshot changed. */
  changed(): void {
    if (this.#books.size > 0) this.#tabs.changed();
  }

  /** Writes what there is to write, and lets go of everything. */
  async dispose(): Promise<void> {
    this.#stopHiding();
    this.#tabs.dispose();
    if (this.#closing !== undefined) this.#host.runtime.clearTimer(this.#closing);
    await Promise.all(
      [...this.#books.values()].map(async (book) => {
        await book.flush();
        book.close();
        this.#releases.get(book.id)?.();
      }),
    );
    this.#storage.journal.close();
  }

  async #open(): Promise<void> {
    const sessions = await this.refresh();
    if (this.#settings.resume === 'ask') return;
    for (const { id, state } of sessions) {
      if (state === 'interrupted' && !this.#host.signal.aborted) await this.#resumeIfFree(id);
    }
  }

  /** Another tab that opened at the same time may have been quicker. */
  async #resumeIfFree(id: string): Promise<void> {
    try {
      await this.resume(id);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      await this.refresh();
    }
  }

  /** Nobody waits for it: what it fails with is reported. */
  #quietly(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      // Another tab was quicker: it has done the same, or goes on.
      if (error instanceof SessionError || this.#host.signal.aborted) return;
      this.#host.runtime.reportError(error);
    });
  }

  async #resume(id: string): Promise<ResumeResult> {
    if (this.#books.has(id)) return this.#resultOf(id, { restored: 0, unreadable: 0 });
    const release = await this.#hold(id);
    const record = await this.#find(id).catch((error: unknown) => {
      release();
      throw error;
    });
    if (!record) {
      release();
      this.#list.remove(id);
      throw new SessionError('not_found');
    }
    return this.#takeOver(record, release);
  }

  #added(upload: Upload): void {
    if (this.#bookOf.has(upload.id)) return;
    this.#enter(upload);
    if (upload.status !== 'queued') return;
    this.checksums.expect(upload);
    const file = this.#host.files.atHand(upload.id);
    const book = this.#bookOf.get(upload.id);
    const seq = book?.seqOf(upload.id);
    if (!book || seq === undefined || !(file instanceof File)) return;
    this.#tabs.shared(book.id, seq, file);
    this.files.copy(upload, book.id, seq, file);
  }

  #enter(upload: Upload): void {
    const book = this.#bookOfBatch(upload.batchId);
    book.add(upload);
    this.#bookOf.set(upload.id, book);
  }

  /** The rest of a folder belongs to the session that began it. */
  #bookOfBatch(batchId: string): SessionBook {
    const book = this.#batches.get(batchId);
    return book && !book.isClosed ? book : this.#book();
  }

  #book(): SessionBook {
    if (this.#current) return this.#current;
    const { runtime } = this.#host;
    const book = this.#newBook(runtime.uuid(), runtime.epochNow());
    this.#current = book;
    if (this.#listings.isListing) book.setListing(true);
    const open = async () => {
      const release = await this.#storage.locks.hold(book.id, () => this.#lost(book));
      if (!release) throw new SessionError('elsewhere');
      this.#opened(book, release);
    };
    open().catch((error: unknown) => this.#host.runtime.reportError(error));
    return book;
  }

  #opened(book: SessionBook, release: Release): void {
    if (book.isClosed || this.#host.signal.aborted) {
      release();
      return;
    }
    this.#releases.set(book.id, release);
    book.open();
    this.#list.put(toSessionInfo(book.record, 'here'));
  }

  #newBook(id: string, createdMs: number): SessionBook {
    const { runtime, snapshots } = this.#host;
    const book = new SessionBook({
      runtime,
      journal: this.#storage.journal,
      id,
      scope: this.#settings.scope,
      createdMs,
      rowOf: (uploadId) => this.#rowOf(uploadId),
      takeChecksums: () => this.checksums.takeComputed(),
      onWritten: () => {
        this.#list.put(toSessionInfo(book.record, 'here'));
        if (this.#hasWritten) return;
        this.#hasWritten = true;
        snapshots.changed();
      },
    });
    this.#books.set(id, book);
    return book;
  }

  #rowOf(uploadId: string): unknown {
    const { ledger, attemptLog } = this.#host;
    const upload = ledger.get(uploadId);
    const times = ledger.timeline.of(uploadId);
    return upload && times && toStoredRow({ upload, times, attempts: attemptLog.of(uploadId) });
  }

  async #hold(id: string): Promise<Release> {
    const onLost = () => {
      const book = this.#books.get(id);
      if (book) this.#lost(book);
    };
    const release = await this.#storage.locks.hold(id, onLost);
    if (release) return release;
    throw new SessionError('elsewhere');
  }

  /**
   * Goes on with a session of another tab once that one is gone. One that never told anything was going
   * already when this page opened, as an earlier uploader of this page: that is for a person to decide.
   */
  async #await(id: string): Promise<void> {
    if (this.#awaited.has(id)) return;
    this.#awaited.add(id);
    const { signal } = this.#host;
    const onLost = () => {
      const book = this.#books.get(id);
      if (book) this.#lost(book);
    };
    let release: Release | undefined;
    try {
      release = await this.#storage.locks.whenFree(id, signal, onLost);
      const record = signal.aborted ? undefined : await this.#find(id);
      const progress = this.#list.find(id)?.progress;
      const isWanted = this.#settings.resume === 'auto' || (progress ?? null) !== null;
      if (record && record.summary.left > 0 && isWanted && progress?.state !== 'paused') {
        const held = release;
        release = undefined;
        await this.#takeOver(record, held);
        return;
      }
    } finally {
      this.#awaited.delete(id);
      release?.();
    }
    if (!signal.aborted) await this.refresh();
  }

  /** Another tab has taken the session, while this page was frozen: what is left is that one's. */
  #lost(book: SessionBook): void {
    for (const { id, status } of this.#uploadsOf(book.id)) {
      if (!isEnded(status) && !isStored(status)) this.#host.drop(id);
    }
    this.#forget(book);
    this.#quietly(this.refresh());
  }

  async #find(id: string): Promise<SessionRecord | undefined> {
    const records = await this.#storage.journal.sessions(this.#settings.scope);
    return records.find((record) => record.id === id);
  }

  /**
   * Forgets a session that nobody works on, if it is (still) as `isMeant` says: what was known of it before
   * it was held may be old.
   */
  async #clear(
    id: string,
    isMeant: (record: SessionRecord) => boolean = () => true,
  ): Promise<void> {
    const release = await this.#hold(id);
    try {
      const record = await this.#find(id);
      if (!record) throw new SessionError('not_found');
      if (!isMeant(record)) return;
      await this.#storage.journal.remove(id);
      this.#list.remove(id);
      this.#tabs.ended(id);
    } finally {
      release();
    }
  }

  async #takeOver(record: SessionRecord, release: Release): Promise<ResumeResult> {
    const { id, createdMs, summary } = record;
    const end = this.#host.work.begin();
    const book = this.#newBook(id, createdMs);
    book.restoring();
    try {
      await this.files.roots.load(id);
      const read = await readSession(this.#host, this.#storage.journal, book, (uploadId) =>
        this.#bookOf.set(uploadId, book),
      );
      this.#current ??= book;
      if (!summary.isComplete) book.setHalfListed(true);
      for (const batchId of this.files.roots.batchesOf(id)) this.#batches.set(batchId, book);
      this.#opened(book, release);
      await reconcile(this.#host, this.#uploadsOf(id));
      const shared = this.#tabs.takeFiles(id);
      const found = await this.files.bring(book, () => this.#uploadsOf(id), shared);
      for (const upload of this.#uploadsOf(id)) {
        if (upload.status !== 'detached' && !found.has(upload.id)) this.#host.accept(upload);
      }
      this.#listAgain(id);
      return this.#resultOf(id, read);
    } catch (error) {
      // What the journal has of it stays there.
      this.#lost(book);
      release();
      throw error;
    } finally {
      book.restored();
      end();
      this.#closeFinished();
      this.#host.snapshots.refresh();
    }
  }

  #listAgain(sessionId: string): void {
    const book = this.#books.get(sessionId);
    if (!book) return;
    const list = (handle: FileSystemHandle, batchId: string) =>
      this.#host.take(collectFiles(handle), batchId, 'normal', true);
    this.#quietly(this.#listings.again(book, list).then(() => this.#closeFinished()));
  }

  #uploadsOf(sessionId: string): Upload[] {
    return [...this.#host.ledger.all()].filter(({ id }) => this.#bookOf.get(id)?.id === sessionId);
  }

  *#filesOf(sessionId: string): Iterable<readonly [number, File]> {
    const { files } = this.#host;
    for (const { id } of this.#uploadsOf(sessionId)) {
      const file = files.atHand(id);
      const seq = this.#bookOf.get(id)?.seqOf(id);
      if (file instanceof File && seq !== undefined) yield [seq, file];
    }
  }

  #resultOf(id: string, read: ReadResult): ResumeResult {
    const result = { ...read, left: 0, needsFile: 0, needsPermission: 0 };
    for (const upload of this.#uploadsOf(id)) {
      if (isEnded(upload.status) || isStored(upload.status)) continue;
      result.left += 1;
      if (upload.status !== 'detached') continue;
      if (upload.needs === 'file') result.needsFile += 1;
      else result.needsPermission += 1;
    }
    return result;
  }

  /** Many may be cancelled or cleared at once. */
  #closeFinishedSoon(): void {
    this.#closing ??= this.#host.runtime.setTimer(() => {
      this.#closing = undefined;
      this.#closeFinished();
    }, 0);
  }

  #closeFinished(): void {
    for (const book of [...this.#books.values()]) {
      if (book.isFinished) this.#quietly(this.#closeIfFinished(book));
    }
  }

  /** First what it still has to write: checksums outlive their session. */
  async #closeIfFinished(book: SessionBook): Promise<void> {
    await book.flush();
    if (book.isFinished && !this.#host.signal.aborted) await this.#close(book);
  }

  /** Forgets a session that this page is done with. */
  async #close(book: SessionBook): Promise<void> {
    if (book.isClosed) return;
    const release = this.#releases.get(book.id);
    this.#forget(book);
    await this.#storage.journal.remove(book.id);
    this.#tabs.ended(book.id);
    release?.();
  }

  #forget(book: SessionBook): void {
    book.close();
    this.#books.delete(book.id);
    this.#releases.delete(book.id);
    this.files.roots.forget(book.id);
    this.#listings.forget(book);
    for (const [batchId, owner] of this.#batches) if (owner === book) this.#batches.delete(batchId);
    if (this.#current === book) this.#current = undefined;
    this.#list.remove(book.id);
  }
}

/** Everything has arrived, and nobody has anything to decide. */
const isOver = ({ summary: { left, failed, isComplete } }: SessionRecord) =>
  left + failed === 0 && isComplete;
