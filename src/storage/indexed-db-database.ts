import { type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames, unwrap } from 'idb';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { JournalSchema, Migration } from './indexed-db-schema.ts';
import { causeName, JournalError, toJournalError } from './journal-error.ts';

export type StoreName = StoreNames<JournalSchema>;
export type ReadTransaction = IDBPTransaction<JournalSchema, StoreName[], 'readonly'>;
export type WriteTransaction = IDBPTransaction<JournalSchema, StoreName[], 'readwrite'>;
type Connection = IDBPDatabase<JournalSchema>;

export interface DatabaseOptions {
  readonly name: string;
  /** One for each version, from 1. */
  readonly migrations: readonly Migration[];
  readonly runtime: Pick<Runtime, 'setTimer' | 'clearTimer'>;
}

/** An older page closes its connection at once when it is asked to, unless it is frozen. */
const BLOCKED_WAIT_MS = 3000;
/** Some versions of Safari never answer. */
const OPEN_WAIT_MS = 10_000;
/**
 * Twice that long a transaction, or an upgrade that has begun, may take: no write of the journal comes
 * near it. WebKit's may hang without an error, as do all behind a transaction of a frozen page.
 */
const HALF_STALL_MS = 10_000;
/** The slowest disk that is waited for while it takes a file, as for reading one. */
const MIN_BYTES_PER_MS = 1_000;
/** Will be no different the next time. */
const FINAL = new Set(['ConstraintError', 'DataCloneError', 'DataError']);

const mayPass = (error: JournalError) =>
  error.code === 'failed' ? !FINAL.has(causeName(error)) : causeName(error) === 'UnknownError';

/**
 * Opens the database, upgrading it where it is older.
 *
 * @param onGone the connection can no longer be used
 * @throws JournalError `blocked`, `newer_version`, `quota`, `unavailable`
 */
function openConnection(
  { name, migrations, runtime }: DatabaseOptions,
  onGone: () => void,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const fail = (error: JournalError) => {
      runtime.clearTimer(timer);
      reject(error);
      // A connection that comes after all would only be in the way of others.
      opening?.then((connection) => connection.close()).catch(() => {});
    };
    let opening: Promise<Connection> | undefined;
    let timer = runtime.setTimer(() => fail(new JournalError('unavailable')), OPEN_WAIT_MS);
    try {
      opening = openDB<JournalSchema>(name, migrations.length, {
        upgrade(connection, oldVersion, _newVersion, transaction) {
          runtime.clearTimer(timer);
          timer = runtime.setTimer(() => fail(new JournalError('unavailable')), 2 * HALF_STALL_MS);
          // Opening fails along with it, and says why.
          transaction.done.catch(() => {});
          try {
            for (const migrate of migrations.slice(oldVersion)) {
              migrate(unwrap(connection), unwrap(transaction));
            }
          } catch (cause) {
            transaction.abort();
            fail(toJournalError(cause));
          }
        },
        blocked() {
          runtime.clearTimer(timer);
          timer = runtime.setTimer(() => fail(new JournalError('blocked')), BLOCKED_WAIT_MS);
        },
        blocking(_oldVersion, _newVersion, event) {
          onGone();
          (event.target as IDBDatabase).close();
        },
        terminated: onGone,
      });
    } catch (cause) {
      // There is no `indexedDB`, or this page may not even ask for it.
      fail(toJournalError(cause, 'unavailable'));
      return;
    }
    opening.then(
      (connection) => {
        runtime.clearTimer(timer);
        resolve(connection);
      },
      (cause) => fail(toJournalError(cause, 'unavailable')),
    );
  });
}

/**
 * The journal's database. Gives way to upgrades by other tabs and opens again at its next use; a
 * transaction that failed for no lasting reason is run once more on a new connection.
 */
export class IndexedDbDatabase {
  readonly #options: DatabaseOptions;
  #opening: Promise<Connection> | undefined;
  #isClosed = false;
  /** Of the files that are being written: other transactions may have to wait for them. */
  #fileBytes = 0;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /** Opens it now rather than at its first use. @throws JournalError */
  async open(): Promise<void> {
    await this.#withRetry(() => this.#connection());
  }

  /** What `work` reads in one transaction. `work` may run twice. @throws JournalError */
  read<T>(stores: StoreName[], work: (transaction: ReadTransaction) => Promise<T>): Promise<T> {
    return this.#withRetry(async () => {
      const connection = await this.#connection();
      return this.#run(connection.transaction(stores), work);
    });
  }

  /**
   * Writes in one transaction: all of it, or nothing. `work` yields its requests' promises as it makes
   * them, and may run twice.
   *
   * @param sizeBytes of a file among what is written, which takes its time
   * @throws JournalError
   */
  async write(
    stores: StoreName[],
    durability: 'relaxed' | 'strict',
    work: (transaction: WriteTransaction) => Iterable<Promise<unknown>>,
    sizeBytes = 0,
  ): Promise<void> {
    this.#fileBytes += sizeBytes;
    try {
      await this.#withRetry(async () => {
        const connection = await this.#connection();
        const transaction = connection.transaction(stores, 'readwrite', { durability });
        // It takes the requests one by one, so that those made before `work` throws are taken care of.
        await this.#run(transaction, () => Promise.all(work(transaction)));
      });
    } finally {
      this.#fileBytes -= sizeBytes;
    }
  }

  /** Transactions that run finish. Later ones reject as `closed`. */
  close(): void {
    this.#isClosed = true;
    this.#disconnect();
  }

  async #withRetry<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (cause) {
      const error = toJournalError(cause);
      if (this.#isClosed) throw new JournalError('closed', cause);
      if (!mayPass(error)) throw error;
    }
    // WebKit loses its storage process now and then: only a new connection reaches the next one.
    this.#disconnect();
    try {
      return await attempt();
    } catch (cause) {
      throw toJournalError(cause);
    }
  }

  async #connection(): Promise<Connection> {
    if (this.#isClosed) throw new JournalError('closed');
    if (this.#opening !== undefined) return this.#opening;
    const forget = () => {
      if (this.#opening === opening) this.#opening = undefined;
    };
    const opening = openConnection(this.#options, forget);
    opening.catch(forget);
    this.#opening = opening;
    return opening;
  }

  #disconnect(): void {
    // Where it did not open there is nothing to close, and whoever waited for it was told.
    this.#opening?.then((connection) => connection.close()).catch(() => {});
    this.#opening = undefined;
  }

  /** Waits for the work and for the commit; what fails first, or a stall, aborts the rest. */
  async #run<Transaction extends ReadTransaction | WriteTransaction, T>(
    transaction: Transaction,
    work: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    const stall = this.#stall(HALF_STALL_MS + this.#fileBytes / MIN_BYTES_PER_MS);
    try {
      // Whatever `work` throws, the transaction's own end is heard as well.
      const begin = async () => work(transaction);
      const ended = Promise.all([begin(), transaction.done]);
      const [result] = await Promise.race([ended, stall.rejects]);
      return result;
    } catch (cause) {
      // The transaction knows the reason; requests that it took along only say AbortError.
      const reason = transaction.error ?? cause;
      try {
        transaction.abort();
      } catch {
        // It had ended by itself.
      }
      throw reason;
    } finally {
      stall.end();
    }
  }

  /** Two timers in turn: after one that a sleeping page held back there is still the other. */
  #stall(halfMs: number): { readonly rejects: Promise<never>; end(): void } {
    const { runtime } = this.#options;
    let timer: TimerHandle | undefined;
    const rejects = new Promise<never>((_, reject) => {
      const fail = () => reject(new DOMException('It did not end', 'TimeoutError'));
      timer = runtime.setTimer(() => {
        timer = runtime.setTimer(fail, halfMs);
      }, halfMs);
    });
    const end = () => {
      if (timer !== undefined) runtime.clearTimer(timer);
    };
    return { rejects, end };
  }
}
