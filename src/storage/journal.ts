/** One upload in the journal. What it holds is the pipeline's business; it must be cloneable. */
export interface JournalEntry {
  /** The upload's place in its session, from 0: entries are read in this order. */
  readonly seq: number;
  readonly row: unknown;
}

/** How far a session got: what a list of sessions shows without reading its uploads. */
export interface SessionSummary {
  /** Uploads in all: refused and cancelled ones left out. */
  readonly total: number;
  readonly totalBytes: number;
  /** Uploads that the server has not acknowledged, and that were not given up. */
  readonly left: number;
  readonly leftBytes: number;
  /** Uploads that failed for good. */
  readonly failed: number;
  /** False while a folder is still being listed: there may be more than `total`. */
  readonly isComplete: boolean;
}

/** What one page began, and another can go on with. */
export interface SessionRecord {
  readonly id: string;
  /** Whose session it is: sessions of another scope are never listed. */
  readonly scope: string;
  /** Wall clock, milliseconds. */
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly summary: SessionSummary;
}

/** A checksum that was computed before, by the file's fingerprint. */
export interface ChecksumEntry {
  readonly fingerprint: string;
  /** SHA-256, 64 lower-case hex digits. */
  readonly checksum: string;
  /** Wall clock, milliseconds: the oldest are forgotten first. */
  readonly usedMs: number;
}

/** A file or folder that the person let this page read. */
export interface StoredHandle {
  readonly key: string;
  readonly handle: FileSystemHandle;
}

/** What is written together: all of it, or nothing. */
export interface JournalChange {
  readonly session: SessionRecord;
  /** Added, or put in the place of those with the same `seq`: a writer sends at most 500 at once. */
  readonly entries?: readonly JournalEntry[];
  /** `seq`s whose entries and copies go, also if `entries` has them. */
  readonly removed?: readonly number[];
  readonly checksums?: readonly ChecksumEntry[];
  /**
   * `strict`: resolves when the disk has it, where the browser can tell. `relaxed` outlives the page and
   * the browser, but the last moments may be lost with the machine's power.
   */
  readonly durability: 'relaxed' | 'strict';
}

/**
 * Where uploads outlive the page. Every implementation passes `describeJournal`. Methods reject with a
 * `JournalError`, whose `cause` is what the browser said: `resilientJournal` is what the pipeline uses,
 * and of it only `keepCopy` ever rejects.
 *
 * One page at a time writes to a session (see `SessionLocks`), and one that takes a session over reads its
 * entries after it got the lock and before it writes.
 */
export interface Journal {
  /** Whether what is written outlives the page. */
  readonly isDurable: boolean;
  /** Changes are written in the order of the calls. Nothing in one may change before it is written. */
  write(change: JournalChange): Promise<void>;
  /** The sessions of one scope, by `updatedMs`, latest first. Damaged records are left out. */
  sessions(scope: string): Promise<readonly SessionRecord[]>;
  /** A session's entries, in order, some thousands at a time. */
  entries(sessionId: string): AsyncIterable<readonly JournalEntry[]>;
  /** Forgets a session: record, entries, handles and copies. Checksums stay. */
  remove(sessionId: string): Promise<void>;
  /** The checksums of these fingerprints, `undefined` for those it does not know; in their order. */
  checksums(fingerprints: readonly string[]): Promise<readonly (string | undefined)[]>;
  /** Forgets one fingerprint whose checksum turned out to be wrong. */
  forgetChecksum(fingerprint: string): Promise<void>;
  /** @returns whether it could be kept: only Chromium can, of files outside the page's own storage */
  keepHandle(sessionId: string, handle: StoredHandle): Promise<boolean>;
  handles(sessionId: string): Promise<readonly StoredHandle[]>;
  /**
   * Keeps a copy of a file's bytes.
   *
   * @throws JournalError `quota` when there is no room; `failed` where the browser stores no files, as
   *   Safari's private windows do not
   */
  keepCopy(sessionId: string, seq: number, file: Blob): Promise<void>;
  /** The kept copies' `seq`s, in order. */
  copies(sessionId: string): Promise<readonly number[]>;
  copy(sessionId: string, seq: number): Promise<Blob | undefined>;
  removeCopy(sessionId: string, seq: number): Promise<void>;
  /** Ends its use: writes that were called before still happen, later ones are lost. */
  close(): void;
}
