import type { EntryRecord } from './entry-log.ts';
import type { SessionRecord, StoredHandle } from './journal.ts';

/**
 * Some checksums as they are stored together: by main-thread time a tenth of one record each. Those of a
 * later record, by its `n`, replace those of an earlier one.
 */
export interface ChecksumRecord {
  readonly n?: number;
  readonly fingerprints: readonly string[];
  /** In the order of `fingerprints`. */
  readonly checksums: readonly string[];
  /** Of the one that was used last. */
  readonly usedMs: number;
}

/** The object stores as the newest version has them. */
export type JournalSchema = {
  sessions: { key: string; value: SessionRecord; indexes: { scope: string } };
  entries: { key: [sessionId: string, n: number]; value: EntryRecord };
  checksums: {
    key: number;
    value: ChecksumRecord;
    indexes: { fingerprint: string; usedMs: number };
  };
  handles: { key: [sessionId: string, key: string]; value: StoredHandle };
  copies: { key: [sessionId: string, seq: number]; value: Blob };
};

/**
 * Takes the database from one version to the next. Runs inside the upgrade's transaction, so it may
 * wait for requests of that transaction and for nothing else. What it throws undoes the upgrade.
 */
export type Migration = (database: IDBDatabase, transaction: IDBTransaction) => void;

/** The first makes version 1 of an empty database. Published ones never change: add another. */
export const MIGRATIONS: readonly Migration[] = [
  (database) => {
    database.createObjectStore('sessions', { keyPath: 'id' }).createIndex('scope', 'scope');
    database.createObjectStore('entries', { keyPath: ['sessionId', 'n'] });
    const checksums = database.createObjectStore('checksums', {
      keyPath: 'n',
      autoIncrement: true,
    });
    checksums.createIndex('fingerprint', 'fingerprints', { multiEntry: true });
    checksums.createIndex('usedMs', 'usedMs');
    database.createObjectStore('handles');
    database.createObjectStore('copies');
  },
];

/** All keys that begin with this session; after one of them, if `after` is given. */
export function ofSession(sessionId: string, after?: number): IDBKeyRange {
  // In keys an array is greater than any number or string.
  return after === undefined
    ? IDBKeyRange.bound([sessionId], [sessionId, []])
    : IDBKeyRange.bound([sessionId, after], [sessionId, []], true);
}
