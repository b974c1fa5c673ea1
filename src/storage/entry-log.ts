import type { JournalEntry } from './journal.ts';

/**
 * Some entries as they are stored together: at 64 a record, a write takes a tenth of the main thread's
 * time that one record each takes, and no record grows into what browsers keep in files of their own.
 * A record is never changed: what is written later, under a greater `n`, replaces its entries one by one.
 */
export interface EntryRecord {
  readonly sessionId: string;
  readonly n: number;
  readonly seqs: readonly number[];
  /** In the order of `seqs`. */
  readonly rows: readonly unknown[];
  /** `seqs` that older records may hold, and that are no more. */
  readonly removed: readonly number[];
}

/** What to do to the store: add `records`, then delete those whose `n` is in `dead`. */
export interface EntryLogChange {
  readonly records: readonly EntryRecord[];
  readonly dead: readonly number[];
}

interface RecordState {
  /** Entries it was written with. */
  readonly size: number;
  /** Rows in it that no later record replaces. */
  live: number;
  /** Removals in it that no later record replaces. */
  readonly removed: Set<number>;
}

const RECORD_ENTRIES = 64;
/** Replaced entries that may lie about, next to as many as there are live ones. */
const SLACK_ENTRIES = 2048;
/** What one write moves out of half-empty records at most: about as much as a write brings. */
const MOVED_RECORDS = 64;
const MOVED_ENTRIES = 256;

/**
 * Which records of one session hold what: it says which are replaced as a whole, and which are so empty
 * that their rest should move. Holds no rows. A log that was appended to is true only once the change
 * is stored: if that fails, make another one of what is stored.
 */
export class EntryLog {
  readonly #sessionId: string;
  /** By `n`, oldest first. */
  readonly #records = new Map<number, RecordState>();
  /** `seq` → `n` of the record that has the last word. */
  readonly #recordOf = new Map<number, number>();
  #lastN = -1;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  /** Takes note of a stored record; they come in the order of `n`. */
  add({ n, seqs, removed }: EntryRecord): void {
    this.#lastN = n;
    const state: RecordState = { size: seqs.length + removed.length, live: 0, removed: new Set() };
    this.#records.set(n, state);
    for (const seq of seqs) {
      this.#supersede(seq, n);
      state.live += 1;
    }
    for (const seq of removed) {
      this.#supersede(seq, n);
      state.removed.add(seq);
    }
  }

  /** Takes note of a stored record that is no {@link EntryRecord}: its number is taken all the same. */
  skip(n: unknown): void {
    if (Number.isFinite(n)) this.#lastN = Math.max(this.#lastN, Number(n));
  }

  /** `n` of records to be given to the next {@link append}, where too much that is replaced lies about. */
  thin(): readonly number[] {
    let size = 0;
    let live = 0;
    for (const state of this.#records.values()) {
      size += state.size;
      live += state.live + state.removed.size;
    }
    if (size - live <= live + SLACK_ENTRIES) return [];
    const thin: number[] = [];
    let moved = 0;
    for (const [n, state] of this.#records) {
      const left = state.live + state.removed.size;
      if (left * 2 >= state.size) continue;
      thin.push(n);
      moved += left;
      if (thin.length === MOVED_RECORDS || moved >= MOVED_ENTRIES) break;
    }
    return thin;
  }

  /**
   * @param moved what is stored under the `n`s that {@link thin} named
   * @param writtenMs wall clock: numbers follow it, so that a page whose knowledge is old does not write
   *   below what another page wrote since
   */
  append(
    entries: readonly JournalEntry[],
    removed: readonly number[],
    moved: readonly EntryRecord[],
    writtenMs: number,
  ): EntryLogChange {
    const rows = new Map<number, unknown>();
    const gone = new Set<number>();
    for (const record of moved) {
      const isLast = (seq: number) => this.#recordOf.get(seq) === record.n;
      for (const [at, seq] of record.seqs.entries())
        if (isLast(seq)) rows.set(seq, record.rows[at]);
      for (const seq of record.removed) if (isLast(seq)) gone.add(seq);
    }
    for (const { seq, row } of entries) {
      rows.set(seq, row);
      gone.delete(seq);
    }
    for (const seq of removed) {
      rows.delete(seq);
      if (this.#recordOf.has(seq)) gone.add(seq);
    }

    const records: EntryRecord[] = [];
    const seqs = [...rows.keys()];
    const goneSeqs = [...gone];
    for (let at = 0; at < seqs.length || at < goneSeqs.length; at += RECORD_ENTRIES) {
      const slice = seqs.slice(at, at + RECORD_ENTRIES);
      const record: EntryRecord = {
        sessionId: this.#sessionId,
        n: Math.max(this.#lastN + 1, writtenMs),
        seqs: slice,
        rows: slice.map((seq) => rows.get(seq)),
        removed: goneSeqs.slice(at, at + RECORD_ENTRIES),
      };
      this.add(record);
      records.push(record);
    }
    return { records, dead: this.#takeDead() };
  }

  #supersede(seq: number, n: number): void {
    const before = this.#recordOf.get(seq);
    const state = before === undefined ? undefined : this.#records.get(before);
    if (state !== undefined && !state.removed.delete(seq)) state.live -= 1;
    this.#recordOf.set(seq, n);
  }

  #takeDead(): readonly number[] {
    const dead: number[] = [];
    let isOldest = true;
    for (const [n, { live, removed }] of this.#records) {
      // A removal has done its work when nothing older is left that it could hide.
      if (live === 0 && (removed.size === 0 || isOldest)) {
        dead.push(n);
        this.#records.delete(n);
        for (const seq of removed) this.#recordOf.delete(seq);
      } else {
        isOldest = false;
      }
    }
    return dead;
  }
}
