import { systemRuntime } from '../../src/runtime/runtime.ts';
import {
  type IndexedDbJournalOptions,
  openIndexedDbJournal,
} from '../../src/storage/indexed-db-journal.ts';
import type { Journal } from '../../src/storage/journal.ts';
import { ENGINE_SUPPORT, thisEngine } from './engine-support.ts';
import type { JournalUnderTest } from './journal-conformance.ts';

export function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A database of its own for one test, and everything that was opened on it. */
export class IndexedDbWorld implements JournalUnderTest {
  readonly databaseName = `test-${crypto.randomUUID()}`;
  readonly keepsHandles = ENGINE_SUPPORT['IndexedDB keeps a file handle'][thisEngine()];
  readonly #journals: Journal[] = [];
  readonly #connections: IDBDatabase[] = [];

  async open(options: Partial<IndexedDbJournalOptions> = {}): Promise<Journal> {
    const { databaseName } = this;
    const journal = await openIndexedDbJournal({
      databaseName,
      runtime: systemRuntime(),
      ...options,
    });
    this.#journals.push(journal);
    return journal;
  }

  async handle(name: string): Promise<FileSystemHandle> {
    const folder = await navigator.storage.getDirectory();
    return folder.getFileHandle(name, { create: true });
  }

  /** A connection beside the journal's, as another program has it: it gives way to nobody. */
  async connect(version?: number, upgrade?: (database: IDBDatabase) => void): Promise<IDBDatabase> {
    const request = indexedDB.open(this.databaseName, version);
    request.onupgradeneeded = () => upgrade?.(request.result);
    const connection = await settled(request);
    this.#connections.push(connection);
    return connection;
  }

  /** One transaction beside the journal's. */
  async run<T>(
    store: string,
    mode: IDBTransactionMode,
    work: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> {
    const connection = await this.connect();
    try {
      const transaction = connection.transaction(store, mode);
      const ended = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      const result = await settled(work(transaction.objectStore(store)));
      await ended;
      return result;
    } finally {
      connection.close();
    }
  }

  async dispose(): Promise<void> {
    for (const journal of this.#journals) journal.close();
    for (const connection of this.#connections) connection.close();
    await settled(indexedDB.deleteDatabase(this.databaseName));
  }
}
