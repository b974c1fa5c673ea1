import type {
  IndexedDbDatabase,
  ReadTransaction,
  WriteTransaction,
} from './indexed-db-database.ts';
import type { ChecksumRecord } from './indexed-db-schema.ts';
import type { ChecksumEntry } from './journal.ts';

const SHA_256 = /^[0-9a-f]{64}$/;
const RECORD_CHECKSUMS = 64;
/** Few enough that no task takes long. */
const READ_SLICE = 500;
/** Few enough that a write which waits for the store waits for some ten milliseconds. */
const PRUNED_RECORDS = 16;
/** Counting takes the browser a while: only now and then. */
const COUNT_EVERY = 5000;

/** Whatever somebody wrote there. */
const isSound = (record: ChecksumRecord | undefined): record is ChecksumRecord =>
  Array.isArray(record?.fingerprints) && Array.isArray(record.checksums);

const byKey = (a: number, b: number) => a - b;

/** Checksums by fingerprint, bounded: above `limit` those that were used longest ago are forgotten. */
export class IndexedDbChecksums {
  readonly #database: IndexedDbDatabase;
  readonly #limit: number;
  /** Written since they were last counted; the first write of a page counts. */
  #uncounted = COUNT_EVERY;
  #pruning: Promise<void> | undefined;

  constructor(database: IndexedDbDatabase, limit: number) {
    this.#database = database;
    this.#limit = limit;
  }

  async get(fingerprints: readonly string[]): Promise<readonly (string | undefined)[]> {
    const found = new Map<string, string>();
    for (let at = 0; at < fingerprints.length; at += READ_SLICE) {
      const asked = fingerprints.slice(at, at + READ_SLICE);
      for (const record of await this.#recordsOf(asked)) {
        for (const [index, fingerprint] of record.fingerprints.entries()) {
          const checksum = record.checksums[index] ?? '';
          if (SHA_256.test(checksum)) found.set(fingerprint, checksum);
        }
      }
    }
    return fingerprints.map((fingerprint) => found.get(fingerprint));
  }

  async forget(fingerprint: string): Promise<void> {
    const records = await this.#recordsOf([fingerprint]);
    await this.#database.write(['checksums'], 'relaxed', (transaction) =>
      records.map((record) => {
        const isKept = (_: unknown, at: number) => record.fingerprints[at] !== fingerprint;
        return transaction.objectStore('checksums').put({
          ...record,
          fingerprints: record.fingerprints.filter(isKept),
          checksums: record.checksums.filter(isKept),
        });
      }),
    );
  }

  *put(transaction: WriteTransaction, entries: readonly ChecksumEntry[]) {
    const store = transaction.objectStore('checksums');
    for (let at = 0; at < entries.length; at += RECORD_CHECKSUMS) {
      const slice = entries.slice(at, at + RECORD_CHECKSUMS);
      yield store.add({
        fingerprints: slice.map(({ fingerprint }) => fingerprint),
        checksums: slice.map(({ checksum }) => checksum),
        usedMs: Math.max(...slice.map(({ usedMs }) => usedMs)),
      });
    }
  }

  /** To be told of what was written; prunes in the background when it may be too much. */
  written(count: number): void {
    this.#uncounted += count;
    if (this.#uncounted < COUNT_EVERY || this.#pruning !== undefined) return;
    this.#uncounted = 0;
    this.#pruning = this.#prune()
      // A bound that is kept later does no harm; what writes next hears of a database that fails.
      .catch(() => {})
      .finally(() => {
        this.#pruning = undefined;
      });
  }

  /** The records that hold any of these, in the order in which they were written. */
  async #recordsOf(fingerprints: readonly string[]): Promise<readonly ChecksumRecord[]> {
    return this.#database.read(['checksums'], async (transaction) => {
      const store = transaction.objectStore('checksums');
      const keys = new Set(await keysOf(transaction, fingerprints));
      const records = await Promise.all([...keys].sort(byKey).map((key) => store.get(key)));
      return records.filter(isSound);
    });
  }

  async #prune(): Promise<void> {
    const count = await this.#database.read(['checksums'], (transaction) =>
      transaction.objectStore('checksums').index('fingerprint').count(),
    );
    let excess = count - this.#limit;
    while (excess > 0) {
      const oldest = await this.#database.read(['checksums'], (transaction) =>
        transaction.objectStore('checksums').index('usedMs').getAll(null, PRUNED_RECORDS),
      );
      if (oldest.length === 0) return;
      const dropped: number[] = [];
      for (const { n, fingerprints } of oldest) {
        if (n === undefined || excess <= 0) continue;
        dropped.push(n);
        excess -= fingerprints?.length ?? 0;
      }
      await this.#database.write(['checksums'], 'relaxed', (transaction) =>
        dropped.map((n) => transaction.objectStore('checksums').delete(n)),
      );
    }
  }
}

/** Where these are: one question for all, as those of one folder lie side by side. */
async function keysOf(
  transaction: ReadTransaction,
  fingerprints: readonly string[],
): Promise<readonly number[]> {
  const index = transaction.objectStore('checksums').index('fingerprint');
  const sorted = [...fingerprints].sort();
  const [first = '', last = ''] = [sorted[0], sorted.at(-1)];
  const limit = 4 * fingerprints.length;
  const keys = await index.getAllKeys(IDBKeyRange.bound(first, last), limit);
  if (keys.length < limit) return keys;
  // Too many others lie between them.
  const each = await Promise.all(fingerprints.map((fingerprint) => index.getAllKeys(fingerprint)));
  return each.flat();
}
