import type { SessionRecord } from '../../storage/journal.ts';
import type { Release } from '../../storage/session-locks.ts';
import type { UploadStorage } from '../../storage/upload-storage.ts';
import { collectFiles } from '../intake/collect-files.ts';
import { isEnded, isStored, type Upload } from '../upload-state.ts';
import type { FolderListings } from './folder-listings.ts';
import type { HeldSessions } from './held-sessions.ts';
import { quietly } from './quietly.ts';
import { type ReadResult, readSession } from './read-session.ts';
import { reconcile } from './reconcile.ts';
import type { SessionBooks } from './session-books.ts';
import { SessionError } from './session-error.ts';
import type { SessionFiles } from './session-files.ts';
import type { SessionHost, SessionSettings } from './session-host.ts';
import type { SessionInfo, SessionList } from './session-list.ts';
import type { SessionTabs } from './session-tabs.ts';
import type { ResumeResult } from './sessions.ts';

export interface SessionResumerParts {
  readonly host: SessionHost;
  readonly storage: UploadStorage;
  readonly settings: SessionSettings;
  readonly books: SessionBooks;
  readonly held: HeldSessions;
  readonly files: SessionFiles;
  readonly listings: FolderListings;
  readonly list: SessionList;
  readonly tabs: SessionTabs;
  readonly refresh: () => Promise<readonly SessionInfo[]>;
}

/** Brings back what earlier pages began, and goes on with what other tabs leave when they die. */
export class SessionResumer {
  readonly #parts: SessionResumerParts;
  /** Sessions of other tabs that this one goes on with when those die. */
  readonly #awaited = new Set<string>();
  /** Sessions that are being brought back. */
  readonly #resuming = new Map<string, Promise<ResumeResult>>();

  constructor(parts: SessionResumerParts) {
    this.#parts = parts;
  }

  /** The page has opened. */
  async open(): Promise<void> {
    const { host, settings, refresh } = this.#parts;
    const sessions = await refresh();
    if (settings.resume === 'ask') return;
    for (const { id, state } of sessions) {
      if (state === 'interrupted' && !host.signal.aborted) await this.#resumeIfFree(id);
    }
  }

  resume(id: string): Promise<ResumeResult> {
    const underWay = this.#resuming.get(id);
    if (underWay) return underWay;
    const resuming = this.#resume(id).finally(() => this.#resuming.delete(id));
    this.#resuming.set(id, resuming);
    return resuming;
  }

  /**
   * Goes on with a session of another tab once that one is gone. One that never told anything was going
   * already when this page opened, as an earlier uploader of this page: that is for a person to decide.
   */
  async await(id: string): Promise<void> {
    if (this.#awaited.has(id)) return;
    this.#awaited.add(id);
    const { host, settings, held, list, refresh } = this.#parts;
    const { signal } = host;
    let release: Release | undefined;
    try {
      release = await held.whenFree(id);
      const record = signal.aborted ? undefined : await held.find(id);
      const progress = list.find(id)?.progress;
      const isWanted = settings.resume === 'auto' || (progress ?? null) !== null;
      if (record && record.summary.left > 0 && isWanted && progress?.state !== 'paused') {
        const handedOn = release;
        release = undefined;
        await this.#takeOver(record, handedOn);
        return;
      }
    } finally {
      this.#awaited.delete(id);
      release?.();
    }
    if (!signal.aborted) await refresh();
  }

  /** Lists the rest of a session's folders, as far as they can be read. */
  listAgain(sessionId: string): void {
    const { host, books, held, listings } = this.#parts;
    const book = books.get(sessionId);
    if (!book) return;
    const list = (handle: FileSystemHandle, batchId: string) =>
      host.take(collectFiles(handle), batchId, 'normal', true);
    quietly(
      host,
      listings.again(book, list).then(() => held.closeFinished()),
    );
  }

  /** Another tab that opened at the same time may have been quicker. */
  async #resumeIfFree(id: string): Promise<void> {
    try {
      await this.resume(id);
    } catch (error) {
      if (!(error instanceof SessionError)) throw error;
      await this.#parts.refresh();
    }
  }

  async #resume(id: string): Promise<ResumeResult> {
    const { books, held, list } = this.#parts;
    if (books.get(id)) return resultOf(books.uploadsOf(id), { restored: 0, unreadable: 0 });
    const release = await held.hold(id);
    const record = await held.find(id).catch((error: unknown) => {
      release();
      throw error;
    });
    if (!record) {
      release();
      list.remove(id);
      throw new SessionError('not_found');
    }
    return this.#takeOver(record, release);
  }

  async #takeOver(record: SessionRecord, release: Release): Promise<ResumeResult> {
    const { id, createdMs, summary } = record;
    const { host, storage, books, held, files, tabs } = this.#parts;
    const end = host.work.begin();
    const book = books.create(id, createdMs);
    book.restoring();
    try {
      await files.roots.load(id);
      const read = await readSession(host, storage.journal, book, (uploadId) =>
        books.claim(uploadId, book),
      );
      books.current ??= book;
      if (!summary.isComplete) book.setHalfListed(true);
      for (const batchId of files.roots.batchesOf(id)) books.claimBatch(batchId, book);
      held.opened(book, release);
      await reconcile(host, books.uploadsOf(id));
      const shared = tabs.takeFiles(id);
      const found = await files.bring(book, () => books.uploadsOf(id), shared);
      for (const upload of books.uploadsOf(id)) {
        if (upload.status !== 'detached' && !found.has(upload.id)) host.accept(upload);
      }
      this.listAgain(id);
      return resultOf(books.uploadsOf(id), read);
    } catch (error) {
      held.lost(book);
      release();
      throw error;
    } finally {
      book.restored();
      end();
      held.closeFinished();
      host.snapshots.refresh();
    }
  }
}

function resultOf(uploads: readonly Upload[], read: ReadResult): ResumeResult {
  const result = { ...read, left: 0, needsFile: 0, needsPermission: 0 };
  for (const upload of uploads) {
    if (isEnded(upload.status) || isStored(upload.status)) continue;
    result.left += 1;
    if (upload.status !== 'detached') continue;
    if (upload.needs === 'file') result.needsFile += 1;
    else result.needsPermission += 1;
  }
  return result;
}
