import type { Runtime, TimerHandle } from '../../runtime/runtime.ts';
import type { ChecksumEntry, Journal, SessionRecord } from '../../storage/journal.ts';
import { isStored, type Upload, type UploadStatus } from '../upload-state.ts';
import { type SessionProgress, SessionTally } from './session-tally.ts';

/** Rows a write takes at most: more would hold up whatever else the page asks of its storage. */
const WRITE_ROWS = 500;
/** Changes gather for so long: a file passes several states in that time, and the last one counts. */
const GATHER_MS = 250;
/** The checksum of a file that is being sent should be written before its bytes have arrived. */
const HURRY_MS = 20;

/** What another page would find is the same as before. */
const PASSING: ReadonlySet<UploadStatus> = new Set([
  'hashing',
  'requesting',
  'ready',
  'finalizing',
]);

export interface SessionBookParts {
  readonly runtime: Runtime;
  readonly journal: Journal;
  readonly id: string;
  readonly scope: string;
  readonly createdMs: number;
  /** An upload as the journal keeps it; undefined for what is not worth keeping. */
  readonly rowOf: (uploadId: string) => unknown;
  /** Checksums that were computed since it was last asked. */
  readonly takeChecksums: () => readonly ChecksumEntry[];
  /** A change was written. */
  readonly onWritten: () => void;
}

/**
 * Keeps the journal of one session: changes are gathered, and written in batches beside the pipeline,
 * which never waits for them. Uploads that the server acknowledged are written at once, and strictly: they
 * are never sent again.
 */
export class SessionBook {
  readonly id: string;
  readonly createdMs: number;
  readonly #parts: SessionBookParts;
  readonly #seqs = new Map<string, number>();
  readonly #changed = new Set<string>();
  readonly #removed: number[] = [];
  readonly #tally = new SessionTally();
  #nextSeq = 0;
  #isSummaryNew = false;
  #isStrict = false;
  #isOpen = false;
  #isClosed = false;
  #isRestoring = false;
  #timer: TimerHandle | undefined;
  #timerAtMs = 0;
  #writing: Promise<void> | undefined;

  constructor(parts: SessionBookParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.createdMs = parts.createdMs;
  }

  get record(): SessionRecord {
    const { runtime, scope } = this.#parts;
    const { id, createdMs } = this;
    return { id, scope, createdMs, updatedMs: runtime.epochNow(), summary: this.#tally.summary };
  }

  /** Nothing is left that a later page could go on with, or that a person has to see. */
  get isFinished(): boolean {
    return !this.#isRestoring && this.#tally.isFinished;
  }

  /** How far it is, in files. */
  get progress(): SessionProgress {
    return this.#tally.progress;
  }

  /** An earlier page did not live to see the end of a folder, and nobody has listed it since. */
  get isHalfListed(): boolean {
    return this.#tally.isHalfListed;
  }

  /** An earlier page began it: it is not finished before `restored`, whatever was read until then. */
  restoring(): void {
    this.#isRestoring = true;
  }

  /** All of it was read, and what can be known without its files is known. */
  restored(): void {
    this.#isRestoring = false;
  }

  /** It writes no more: what happens to its uploads belongs to another session. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The session is this page's: from now on it may write. */
  open(): void {
    this.#isOpen = true;
    this.#schedule(0);
  }

  seqOf(uploadId: string): number | undefined {
    return this.#seqs.get(uploadId);
  }

  /** Takes in a new upload. */
  add(upload: Upload): void {
    this.#take(upload, this.#nextSeq);
    this.#touch(upload.id);
  }

  /** Takes in an upload that the journal has at that place. */
  restore(upload: Upload, seq: number): void {
    this.#take(upload, seq);
  }

  /** The journal has a row of another version at that place: it stays as it is. */
  keepForeign(seq: number): void {
    this.#tally.foreign += 1;
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1);
    this.#isSummaryNew = true;
  }

  /** The journal has a row at that place that says nothing. */
  dropDamaged(seq: number): void {
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1);
    this.#removed.push(seq);
  }

  changed(upload: Upload, previous: UploadStatus): void {
    this.#tally.move(previous, upload);
    if (PASSING.has(upload.status)) return;
    if (upload.status === 'uploading' && this.#changed.has(upload.id)) this.#schedule(HURRY_MS);
    this.#touch(upload.id);
    if (isStored(upload.status) && !isStored(previous)) {
      this.#isStrict = true;
      this.#schedule(0);
    }
  }

  /** A person cleared it from the list. */
  remove(upload: Upload): void {
    const { id } = upload;
    const seq = this.#seqs.get(id);
    if (seq === undefined) return;
    this.#tally.count(upload, -1);
    this.#seqs.delete(id);
    this.#changed.delete(id);
    this.#removed.push(seq);
    this.#schedule();
  }

  /** A folder is being listed, or all of it was. */
  setListing(isListing: boolean): void {
    this.#tally.isListing = isListing;
    this.#isSummaryNew = true;
    this.#schedule();
  }

  /** An earlier page was listing a folder when it ended; or that folder has been listed again. */
  setHalfListed(isHalfListed: boolean): void {
    this.#tally.isHalfListed = isHalfListed;
    this.#isSummaryNew = true;
    this.#schedule();
  }

  /** Writes what has changed by now. Resolves when the journal has it. */
  async flush(): Promise<void> {
    this.#disarm();
    if (!this.#isOpen || this.#isClosed) return;
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  /** Writes no more. */
  close(): void {
    this.#isClosed = true;
    this.#disarm();
  }

  #take(upload: Upload, seq: number): void {
    this.#seqs.set(upload.id, seq);
    this.#nextSeq = Math.max(this.#nextSeq, seq + 1);
    this.#tally.count(upload, 1);
  }

  #touch(uploadId: string): void {
    this.#changed.add(uploadId);
    this.#schedule();
  }

  #schedule(delayMs = GATHER_MS): void {
    if (!this.#isOpen || this.#isClosed) return;
    const { runtime } = this.#parts;
    const atMs = runtime.now() + delayMs;
    if (this.#timer !== undefined && this.#timerAtMs <= atMs) return;
    this.#disarm();
    this.#timerAtMs = atMs;
    this.#timer = runtime.setTimer(() => {
      this.#timer = undefined;
      void this.flush();
    }, delayMs);
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#parts.runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Until nothing is left to write, what changes meanwhile included. */
  async #writeAll(): Promise<void> {
    const { journal, onWritten } = this.#parts;
    for (;;) {
      const checksums = this.#parts.takeChecksums();
      const ids = this.#nextRows();
      const removed = this.#removed.splice(0);
      const hasNews = ids.length + removed.length + checksums.length > 0 || this.#isSummaryNew;
      if (this.#isClosed || !hasNews) return;
      const durability = this.#isStrict ? 'strict' : 'relaxed';
      if (this.#changed.size === 0) this.#isStrict = false;
      this.#isSummaryNew = false;
      const entries = ids.flatMap((id) => {
        const seq = this.#seqs.get(id);
        if (seq === undefined) return [];
        const row = this.#parts.rowOf(id);
        if (row !== undefined) return [{ seq, row }];
        removed.push(seq);
        return [];
      });
      await journal.write({ session: this.record, entries, removed, checksums, durability });
      if (!this.#isClosed) onWritten();
    }
  }

  #nextRows(): string[] {
    const ids: string[] = [];
    for (const id of this.#changed) {
      if (ids.length === WRITE_ROWS) break;
      ids.push(id);
    }
    for (const id of ids) this.#changed.delete(id);
    return ids;
  }
}
