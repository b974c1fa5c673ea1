import type {
  ChecksumEntry,
  Journal,
  JournalChange,
  JournalEntry,
  SessionRecord,
  StoredHandle,
} from './journal.ts';
import { latestFirst } from './latest-first.ts';

/** All of one session. */
interface Shelf {
  readonly entries: Map<number, JournalEntry>;
  readonly handles: Map<string, StoredHandle>;
  readonly copies: Map<number, Blob>;
}

const inOrder = <Value>(values: ReadonlyMap<number, Value>): (readonly [number, Value])[] =>
  [...values].sort(([a], [b]) => a - b);

/** A journal that lasts as long as the page: for tests, and where the browser keeps nothing. */
export class MemoryJournal implements Journal {
  readonly isDurable = false;
  readonly #sessions = new Map<string, SessionRecord>();
  readonly #shelves = new Map<string, Shelf>();
  readonly #checksums = new Map<string, ChecksumEntry>();

  async write({ session, entries, removed, checksums }: JournalChange): Promise<void> {
    const shelf = this.#shelf(session.id);
    this.#sessions.set(session.id, session);
    for (const entry of entries ?? []) shelf.entries.set(entry.seq, entry);
    for (const seq of removed ?? []) {
      shelf.entries.delete(seq);
      shelf.copies.delete(seq);
    }
    for (const entry of checksums ?? []) this.#checksums.set(entry.fingerprint, entry);
  }

  async sessions(scope: string): Promise<readonly SessionRecord[]> {
    return latestFirst([...this.#sessions.values()].filter((session) => session.scope === scope));
  }

  async *entries(sessionId: string): AsyncGenerator<readonly JournalEntry[]> {
    const entries = inOrder(this.#shelf(sessionId).entries);
    if (entries.length > 0) yield entries.map(([, entry]) => entry);
  }

  async remove(sessionId: string): Promise<void> {
    this.#sessions.delete(sessionId);
    this.#shelves.delete(sessionId);
  }

  async checksums(fingerprints: readonly string[]): Promise<readonly (string | undefined)[]> {
    return fingerprints.map((fingerprint) => this.#checksums.get(fingerprint)?.checksum);
  }

  async forgetChecksum(fingerprint: string): Promise<void> {
    this.#checksums.delete(fingerprint);
  }

  async keepHandle(sessionId: string, handle: StoredHandle): Promise<boolean> {
    this.#shelf(sessionId).handles.set(handle.key, handle);
    return true;
  }

  async handles(sessionId: string): Promise<readonly StoredHandle[]> {
    const handles = [...this.#shelf(sessionId).handles.values()];
    return handles.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async keepCopy(sessionId: string, seq: number, file: Blob): Promise<void> {
    this.#shelf(sessionId).copies.set(seq, file);
  }

  async copies(sessionId: string): Promise<readonly number[]> {
    return inOrder(this.#shelf(sessionId).copies).map(([seq]) => seq);
  }

  async copy(sessionId: string, seq: number): Promise<Blob | undefined> {
    return this.#shelf(sessionId).copies.get(seq);
  }

  async removeCopy(sessionId: string, seq: number): Promise<void> {
    this.#shelf(sessionId).copies.delete(seq);
  }

  close(): void {}

  #shelf(sessionId: string): Shelf {
    const known = this.#shelves.get(sessionId);
    if (known !== undefined) return known;
    const shelf: Shelf = { entries: new Map(), handles: new Map(), copies: new Map() };
    this.#shelves.set(sessionId, shelf);
    return shelf;
  }
}
