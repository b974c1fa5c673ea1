import type { Runtime } from '../runtime/runtime.ts';
import { broadcastSessionChannel } from './broadcast-session-channel.ts';
import { defaultLocks } from './default-locks.ts';
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

/** IndexedDB, loaded when it is needed; memory where there is none, as in Node. */
export function browserStorage(options: BrowserStorageOptions): UploadStorage {
  const { databaseName, scope, runtime, onDegraded } = options;
  if (typeof indexedDB === 'undefined') return memoryStorage();
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
