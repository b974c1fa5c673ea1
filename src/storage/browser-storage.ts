import type { Runtime } from '../runtime/runtime.ts';
import { broadcastSessionChannel } from './broadcast-session-channel.ts';
import { defaultLocks } from './default-locks.ts';
import { JournalError } from './journal-error.ts';
import { memoryStorage } from './memory-storage.ts';
import { resilientJournal } from './resilient-journal.ts';
import type { UploadStorage } from './upload-storage.ts';

export interface BrowserStorageOptions {
  /** Tabs of another user hear nothing of this one's uploads. */
  readonly scope: string;
  readonly runtime: Runtime;
  /** Called once, when the browser turns out to keep nothing (any more). */
  readonly onDegraded: (error: Error) => void;
  readonly databaseName: string;
}

/**
 * IndexedDB, loaded when it is needed; memory where there is none. A page without it is told so like one
 * whose journal fails; outside of a page, as in Node, nothing is expected to be kept, and nothing is said.
 */
export function browserStorage(options: BrowserStorageOptions): UploadStorage {
  const { databaseName, scope, runtime, onDegraded } = options;
  if (typeof indexedDB === 'undefined') {
    const memory = memoryStorage();
    if (typeof document === 'undefined') return memory;
    const refuse = async () => {
      // Whoever made the uploader listens by then.
      await runtime.yieldToPage();
      throw new JournalError('unavailable');
    };
    return { ...memory, journal: resilientJournal(refuse, { onDegraded }) };
  }
  const open = async () => {
    const { openIndexedDbJournal } = await import('./indexed-db-journal.ts');
    return openIndexedDbJournal({ databaseName, runtime });
  };
  return {
    journal: resilientJournal(open, { onDegraded }),
    locks: defaultLocks(databaseName, runtime),
    channel: broadcastSessionChannel(databaseName, scope),
  };
}
