import type { SessionRecord } from '../../storage/journal.ts';
import type { Release } from '../../storage/session-locks.ts';
import type { UploadStorage } from '../../storage/upload-storage.ts';
import type { FileSource } from '../file-shelf.ts';
import type { FoundRoot } from '../intake/collect-files.ts';
import { isEnded, isStored, type Need, type Upload } from '../upload-state.ts';
import { ChecksumCache } from './checksum-cache.ts';
import { FileRoots } from './file-roots.ts';
import { fileSources } from './file-sources.ts';
import { readSession } from './read-session.ts';
import { reconcile } from './reconcile.ts';
import { SafeCopies } from './safe-copies.ts';
import { SessionBook } from './session-book.ts';
import { SessionError } from './session-error.ts';
import type { SessionHost, SessionSettings } from './session-host.ts';
import { type SessionInfo, SessionList, toSessionInfo } from './session-list.ts';
import { SessionTabs } from './session-tabs.ts';
import type { ResumeResult, Sessions } from './sessions.ts';
import { toStoredRow } from './stored-row.ts';

/**
 * Keeps this page's uploads in the journal, and brings back those of earlier pages. A session is what one
 * page began; whoever holds its lock works on it.
 */
export class SessionKeeper implements Sessions {
  readonly checksums: ChecksumCache;
  readonly #host: SessionHost;
  readonly #storage: UploadStorage;
  readonly #settings: SessionSettings;
  readonly #list: SessionList;
  readonly #tabs: SessionTabs;
  readonly #roots: FileRoots;
  readonly #copies: SafeCopies;
  readonly #books = new Map<string, SessionBook>();
  readonly #bookOf = new Map<string, SessionBook>();
  readonly #releases = new Map<string, Release>();
  /** Sessions of other tabs that this one goes on with when those die. */
  readonly #awaited = new Set<string>();
  readonly #batches = new Map<string, SessionBook>();
  /** Takes what is added. */
  #current: SessionBook | undefined;
  #listings = 0;
  #hasWritten = false;

  constructor(host: SessionHost, storage: UploadStorage, settings: SessionSettings) {
    this.#host = host;
    this.#storage = storage;
    this.#settings = settings;
    const { runtime, emitter } = host;
    const { journal, channel } = storage;
    this.checksums = new ChecksumCache(journal, runtime, settings.scope);
    this.#roots = new FileRoots(journal);
    this.#copies = new SafeCopies(journal, settings.maxCopiedBytes, (error) =>
      emitter.emit({ type: 'safe-copies-stopped', error }),
    );
    this.#list = new SessionList(runtime);
    this.#tabs = new SessionTabs({
      runtime,
      channel,
      sessionIds: () => this.#books.keys(),
      snapshot: () => host.snapshot(),
      filesOf: (sessionId) => this.#filesOf(sessionId),
      onProgress: (sessionId, progress) => {
        if (!this.#books.has(sessionId) && !this.#list.progressed(sessionId, progress)) {
          void this.refresh();
        }
      },
      onEnded: (sessionId) => this.#list.remove(sessionId),
    });
    emitter.on('upload-added', ({ upload }) => this.#added(upload));
    emitter.on('upload-changed', ({ upload, previous }) => {
      const book = this.#bookOf.get(upload.id);
      if (book && !book.isClosed) book.changed(upload, previous);
      else if (!isStored(upload.status)) this.#enter(upload);
      if (isStored(upload.status) || isEnded(upload.status)) this.#copies.release(upload.id);
    });
    emitter.on('upload-removed', ({ upload }) => {
      this.#bookOf.get(upload.id)?.remove(upload);
      this.#bookOf.delete(upload.id);
    });
    emitter.on('uploads-drained', () => this.#closeFinished());
    void this.#open();
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
      const { left, failed, isComplete } = record.summary;
      const book = this.#books.get(record.id);
      if (book) {
        sessions.push(toSessionInfo(book.record, 'here'));
      } else if (held.has(record.id)) {
        sessions.push(toSessionInfo(record, 'elsewhere'));
        void this.#await(record.id);
      } else if (left + failed === 0 && isComplete) {
        void this.#clear(record.id);
      } else {
        sessions.push(toSessionInfo(record, 'interrupted'));
      }
    }
    this.#list.replace(sessions);
    return this.#list.current;
  }

  async resume(id: string): Promise<ResumeResult> {
    if (this.#books.has(id)) return this.#resultOf(id, 0);
    const release = await this.#hold(id);
    const record = await this.#find(id);
    if (!record) {
      release();
      this.#list.remove(id);
      throw new SessionError('not_found');
    }
    return this.#takeOver(record, release);
  }

  async discard(id: string): Promise<void> {
    const book = this.#books.get(id);
    if (!book) {
      await this.#clear(id);
      return;
    }
    for (const upload of this.#uploadsOf(id)) this.#host.cancel(upload.id);
    await this.#close(book);
  }

  async requestPermission(): Promise<number> {
    await this.#roots.request();
    let found = 0;
    for (const upload of [...this.#host.ledger.all()]) {
      if (upload.status !== 'detached' || upload.needs !== 'permission') continue;
      const source = this.#roots.sourceOf(upload);
      if (!source) continue;
      this.found(upload, source);
      found += 1;
    }
    for (const id of this.#books.keys()) this.#listAgain(id);
    return found;
  }

  /** A file of a detached upload is there. `isSame`: beyond doubt. */
  found(upload: Upload, file: Blob | FileSource, isSame = true, lastModifiedMs?: number): void {
    const { files, ledger } = this.#host;
    files.put(upload.id, file);
    const modifiedMs = lastModifiedMs ?? upload.lastModifiedMs;
    const event = { type: 'file-found', isSame, lastModifiedMs: modifiedMs } as const;
    this.#host.accept(ledger.apply(upload.id, event));
  }

  /** What it takes to read the file. */
  needOf(upload: Upload): Need {
    return this.#roots.has(upload) ? 'permission' : 'file';
  }

  /** The person, or the browser, has taken a permission back. */
  lostPermission(upload: Upload): boolean {
    if (!this.#roots.has(upload)) return false;
    this.#roots.lost(upload);
    return true;
  }

  /** A folder is being listed. @returns what to call when all of it was */
  listing(): () => void {
    this.#listings += 1;
    this.#current?.setListing(true);
    return () => {
      this.#listings -= 1;
      const isComplete = this.#listings === 0 && !this.#host.signal.aborted;
      if (!isComplete) return;
      this.#current?.setListing(false);
      // All of it may have been there already.
      this.#closeFinished();
    };
  }

  /** A person gave a file or folder by its handle: the next page can read it again. */
  given(batchId: string, { handle }: FoundRoot): void {
    const book = this.#batches.get(batchId) ?? this.#book();
    this.#batches.set(batchId, book);
    const keep = async () => {
      const resolved = await handle;
      if (!resolved) return;
      await this.#roots.keep({ sessionId: book.id, batchId, handle: resolved });
    };
    keep().catch((error: unknown) => this.#host.runtime.reportError(error));
  }

  /** The snapshot changed. */
  changed(): void {
    if (this.#books.size > 0) this.#tabs.changed();
  }

  /** Writes what there is to write, and lets go of everything. */
  async dispose(): Promise<void> {
    this.#tabs.dispose();
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
    const { runtime, signal } = this.#host;
    try {
      const sessions = await this.refresh();
      if (this.#settings.resume === 'ask') return;
      for (const { id, state } of sessions) {
        if (state === 'interrupted' && !signal.aborted) await this.#resumeIfFree(id);
      }
    } catch (error) {
      if (!signal.aborted) runtime.reportError(error);
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
    if (!this.#roots.has(upload)) this.#copies.keep(upload.id, book.id, seq, file);
  }

  #enter(upload: Upload): void {
    const book = this.#book();
    book.add(upload);
    this.#bookOf.set(upload.id, book);
  }

  #book(): SessionBook {
    if (this.#current) return this.#current;
    const { runtime } = this.#host;
    const book = this.#newBook(runtime.uuid(), runtime.epochNow());
    this.#current = book;
    if (this.#listings > 0) book.setListing(true);
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
    const { runtime, onChange } = this.#host;
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
        onChange();
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

  /** Goes on with a session of another tab once that one is gone. */
  async #await(id: string): Promise<void> {
    if (this.#awaited.has(id)) return;
    this.#awaited.add(id);
    const { signal, runtime } = this.#host;
    try {
      const release = await this.#storage.locks.whenFree(id, signal, () => {
        const book = this.#books.get(id);
        if (book) this.#lost(book);
      });
      this.#awaited.delete(id);
      const record = signal.aborted ? undefined : await this.#find(id);
      const progress = this.#list.find(id)?.progress;
      if (record && record.summary.left > 0 && progress?.state !== 'paused') {
        await this.#takeOver(record, release);
        return;
      }
      release();
      if (!signal.aborted) await this.refresh();
    } catch (error) {
      if (!signal.aborted) runtime.reportError(error);
    }
  }

  /** Another tab has taken the session, while this page was frozen: what is left is that one's. */
  #lost(book: SessionBook): void {
    for (const { id, status } of this.#uploadsOf(book.id)) {
      if (!isEnded(status) && !isStored(status)) this.#host.drop(id);
    }
    this.#forget(book);
    void this.refresh();
  }

  async #find(id: string): Promise<SessionRecord | undefined> {
    const records = await this.#storage.journal.sessions(this.#settings.scope);
    return records.find((record) => record.id === id);
  }

  /** Forgets a session that nobody works on. */
  async #clear(id: string): Promise<void> {
    const release = await this.#hold(id);
    try {
      await this.#storage.journal.remove(id);
      this.#list.remove(id);
      this.#tabs.ended(id);
    } finally {
      release();
    }
  }

  async #takeOver(record: SessionRecord, release: Release): Promise<ResumeResult> {
    const { id, createdMs, summary } = record;
    const end = this.#host.begin();
    const book = this.#newBook(id, createdMs);
    try {
      await this.#roots.load(id);
      const restored = await readSession(this.#host, this.#storage.journal, book, (uploadId) =>
        this.#bookOf.set(uploadId, book),
      );
      this.#current ??= book;
      book.setListing(!summary.isComplete);
      this.#opened(book, release);
      await reconcile(this.#host, this.#uploadsOf(id));
      await this.#bringFiles(book);
      for (const upload of this.#uploadsOf(id)) {
        if (upload.status !== 'detached') this.#host.accept(upload);
      }
      this.#listAgain(id);
      return this.#resultOf(id, restored);
    } finally {
      end();
      this.#closeFinished();
      this.#host.refresh();
    }
  }

  async #bringFiles(book: SessionBook): Promise<void> {
    const { journal } = this.#storage;
    const sources = await fileSources(
      book,
      { journal, roots: this.#roots, copies: this.#copies },
      this.#tabs.takeFiles(book.id),
    );
    for (const upload of this.#uploadsOf(book.id)) {
      if (isEnded(upload.status) || isStored(upload.status)) continue;
      const source = sources(upload);
      if (source && upload.status === 'detached') this.found(upload, source);
      else if (source) this.#host.files.put(upload.id, source);
      else this.#lacksFile(upload);
    }
  }

  #lacksFile(upload: Upload): void {
    const needs = this.needOf(upload);
    const isNews = upload.status === 'hashed' || (upload.status === 'detached' && needs !== 'file');
    if (isNews) this.#host.ledger.apply(upload.id, { type: 'file-lost', needs });
  }

  /** Lists the folders of a session again that was interrupted while they were listed. */
  #listAgain(sessionId: string): void {
    const book = this.#books.get(sessionId);
    if (!book || book.record.summary.isComplete) return;
    const roots = this.#roots.readable(sessionId);
    if (roots.length === 0) return;
    const listAll = async () => {
      for (const { handle, batchId } of roots) await this.#host.list(handle, batchId);
    };
    listAll().catch((error: unknown) => this.#host.runtime.reportError(error));
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

  #resultOf(id: string, restored: number): ResumeResult {
    const result = { restored, left: 0, needsFile: 0, needsPermission: 0 };
    for (const upload of this.#uploadsOf(id)) {
      if (isEnded(upload.status) || isStored(upload.status)) continue;
      result.left += 1;
      if (upload.status !== 'detached') continue;
      if (upload.needs === 'file') result.needsFile += 1;
      else result.needsPermission += 1;
    }
    return result;
  }

  #closeFinished(): void {
    for (const book of [...this.#books.values()]) {
      if (book.isFinished) void this.#closeIfFinished(book);
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
    this.#roots.forget(book.id);
    if (this.#current === book) this.#current = undefined;
    this.#list.remove(book.id);
  }
}
