import * as z from 'zod/mini';
import type { Runtime } from '../runtime/runtime.ts';
import { EntryLog, type EntryLogChange, type EntryRecord } from './entry-log.ts';
import { IndexedDbChecksums } from './indexed-db-checksums.ts';
import { IndexedDbDatabase, type StoreName, type WriteTransaction } from './indexed-db-database.ts';
import { MIGRATIONS, type Migration, ofSession } from './indexed-db-schema.ts';
import type {
  Journal,
  JournalChange,
  JournalEntry,
  SessionRecord,
  StoredHandle,
} from './journal.ts';
import { causeName, toJournalError } from './journal-error.ts';
import { latestFirst } from './latest-first.ts';

export interface IndexedDbJournalOptions {
  /** Pages of one origin that use the same name share their sessions. Default: `bulkhead`. */
  readonly databaseName?: string;
  /** Bounds the wait for a database that does not open. */
  readonly runtime: Pick<Runtime, 'setTimer' | 'clearTimer'>;
  /** Checksums to keep: 250,000 are some 50 MB. */
  readonly maxChecksums?: number;
  /** For tests of upgrades. */
  readonly migrations?: readonly Migration[];
}

/** Records that are read at once: some two thousand entries, well under 50 ms of main-thread time. */
const READ_RECORDS = 32;
const PAGE_ENTRIES = 4000;
const SESSION_STORES: StoreName[] = ['sessions', 'entries', 'handles', 'copies'];

const sessionSchema = z.object({
  id: z.string(),
  scope: z.string(),
  createdMs: z.number(),
  updatedMs: z.number(),
  summary: z.object({
    total: z.number(),
    totalBytes: z.number(),
    left: z.number(),
    leftBytes: z.number(),
    failed: z.number(),
    isComplete: z.boolean(),
  }),
});

const entrySchema = z.object({
  n: z.number(),
  seqs: z.array(z.number()),
  rows: z.array(z.unknown()),
  removed: z.array(z.number()),
});

/**
 * The journal in IndexedDB. One page writes to a session at a time, and one that takes a session over
 * reads its entries first.
 */
class IndexedDbJournal implements Journal {
  readonly isDurable = true;
  readonly #database: IndexedDbDatabase;
  readonly #checksums: IndexedDbChecksums;
  readonly #logs = new Map<string, EntryLog>();
  #lastJob: Promise<unknown> = Promise.resolve();

  constructor(database: IndexedDbDatabase, checksums: IndexedDbChecksums) {
    this.#database = database;
    this.#checksums = checksums;
  }

  write(change: JournalChange): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#write(change);
      } catch (cause) {
        if (causeName(toJournalError(cause)) !== 'ConstraintError') throw cause;
        // Another page wrote to the session since: now its records are known.
        await this.#write(change);
      }
      if (change.checksums !== undefined) this.#checksums.written(change.checksums.length);
    });
  }

  async sessions(scope: string): Promise<readonly SessionRecord[]> {
    const records = await this.#database.read(['sessions'], (transaction) =>
      transaction.objectStore('sessions').index('scope').getAll(scope),
    );
    return latestFirst(records.filter((record) => sessionSchema.safeParse(record).success));
  }

  async *entries(sessionId: string): AsyncGenerator<readonly JournalEntry[]> {
    const rows = new Map<number, unknown>();
    await this.#inTurn(() =>
      this.#load(sessionId, ({ seqs, rows: stored, removed }) => {
        for (const [at, seq] of seqs.entries()) rows.set(seq, stored[at]);
        for (const seq of removed) rows.delete(seq);
      }),
    );
    const seqs = [...rows.keys()].sort((a, b) => a - b);
    for (let at = 0; at < seqs.length; at += PAGE_ENTRIES) {
      yield seqs.slice(at, at + PAGE_ENTRIES).map((seq) => ({ seq, row: rows.get(seq) }));
    }
  }

  remove(sessionId: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#logs.delete(sessionId);
      const range = ofSession(sessionId);
      await this.#database.write(SESSION_STORES, 'relaxed', (transaction) => [
        transaction.objectStore('sessions').delete(sessionId),
        transaction.objectStore('entries').delete(range),
        transaction.objectStore('handles').delete(range),
        transaction.objectStore('copies').delete(range),
      ]);
    });
  }

  checksums(fingerprints: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#checksums.get(fingerprints);
  }

  forgetChecksum(fingerprint: string): Promise<void> {
    return this.#checksums.forget(fingerprint);
  }

  async keepHandle(sessionId: string, handle: StoredHandle): Promise<boolean> {
    try {
      await this.#database.write(['handles'], 'relaxed', (transaction) => [
        transaction.objectStore('handles').put(handle, [sessionId, handle.key]),
      ]);
      return true;
    } catch (cause) {
      if (causeName(toJournalError(cause)) === 'DataCloneError') return false;
      throw cause;
    }
  }

  handles(sessionId: string): Promise<readonly StoredHandle[]> {
    return this.#database.read(['handles'], (transaction) =>
      transaction.objectStore('handles').getAll(ofSession(sessionId)),
    );
  }

  async keepCopy(sessionId: string, seq: number, file: Blob): Promise<void> {
    const put = (transaction: WriteTransaction) => [
      transaction.objectStore('copies').put(file, [sessionId, seq]),
    ];
    await this.#database.write(['copies'], 'relaxed', put, file.size);
  }

  async copies(sessionId: string): Promise<readonly number[]> {
    const keys = await this.#database.read(['copies'], (transaction) =>
      transaction.objectStore('copies').getAllKeys(ofSession(sessionId)),
    );
    return keys.map(([, seq]) => seq);
  }

  copy(sessionId: string, seq: number): Promise<Blob | undefined> {
    return this.#database.read(['copies'], (transaction) =>
      transaction.objectStore('copies').get([sessionId, seq]),
    );
  }

  async removeCopy(sessionId: string, seq: number): Promise<void> {
    await this.#database.write(['copies'], 'relaxed', (transaction) => [
      transaction.objectStore('copies').delete([sessionId, seq]),
    ]);
  }

  close(): void {
    void this.#inTurn(async () => this.#database.close());
  }

  /** What a log says is true only while nothing is written between asking it and writing. */
  #inTurn<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#lastJob.then(job);
    // The caller hears of what failed; the next job goes on.
    this.#lastJob = result.catch(() => {});
    return result;
  }

  async #write(change: JournalChange): Promise<void> {
    const { session, entries = [], removed = [], checksums = [], durability } = change;
    const { records, dead } = await this.#append(session, entries, removed);
    const stores: StoreName[] = ['sessions', 'entries'];
    if (removed.length > 0) stores.push('copies');
    if (checksums.length > 0) stores.push('checksums');
    const checksumShelf = this.#checksums;
    try {
      await this.#database.write(stores, durability, function* (transaction) {
        yield transaction.objectStore('sessions').put(session);
        const store = transaction.objectStore('entries');
        // Not `put`: what another page wrote under the same number must not be lost.
        for (const record of records) yield store.add(record);
        for (const n of dead) yield store.delete([session.id, n]);
        for (const seq of removed)
          yield transaction.objectStore('copies').delete([session.id, seq]);
        if (checksums.length > 0) yield* checksumShelf.put(transaction, checksums);
      });
    } catch (cause) {
      this.#logs.delete(session.id);
      throw cause;
    }
  }

  async #append(
    { id, updatedMs }: SessionRecord,
    entries: readonly JournalEntry[],
    removed: readonly number[],
  ): Promise<EntryLogChange> {
    if (entries.length + removed.length === 0) return { records: [], dead: [] };
    const log = this.#logs.get(id) ?? (await this.#load(id));
    return log.append(entries, removed, await this.#readRecords(id, log.thin()), updatedMs);
  }

  /** Reads all records of a session, oldest first, and makes its log. */
  async #load(sessionId: string, visit?: (record: EntryRecord) => void): Promise<EntryLog> {
    const log = new EntryLog(sessionId);
    let after: number | undefined;
    for (;;) {
      const range = ofSession(sessionId, after);
      const records = await this.#database.read(['entries'], (transaction) =>
        transaction.objectStore('entries').getAll(range, READ_RECORDS),
      );
      for (const record of records) {
        if (entrySchema.safeParse(record).success) {
          log.add(record);
          visit?.(record);
        } else {
          log.skip(record.n);
        }
      }
      // Part of the key: it is there whatever else the record may lack.
      after = records.at(-1)?.n;
      if (records.length < READ_RECORDS) break;
    }
    this.#logs.set(sessionId, log);
    return log;
  }

  async #readRecords(sessionId: string, ns: readonly number[]): Promise<EntryRecord[]> {
    if (ns.length === 0) return [];
    const records = await this.#database.read(['entries'], (transaction) => {
      const store = transaction.objectStore('entries');
      return Promise.all(ns.map((n) => store.get([sessionId, n])));
    });
    return records.filter((record) => record !== undefined);
  }
}

/**
 * Opens the journal in this origin's IndexedDB.
 *
 * @throws JournalError `unavailable`, `blocked`, `newer_version`, `quota`
 */
export async function openIndexedDbJournal(options: IndexedDbJournalOptions): Promise<Journal> {
  const { databaseName = 'bulkhead', runtime, maxChecksums = 250_000 } = options;
  const migrations = options.migrations ?? MIGRATIONS;
  const database = new IndexedDbDatabase({ name: databaseName, migrations, runtime });
  await database.open();
  return new IndexedDbJournal(database, new IndexedDbChecksums(database, maxChecksums));
}
