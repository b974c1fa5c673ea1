import type { Journal } from './journal.ts';
import type { SessionChannel } from './session-channel.ts';
import type { SessionLocks } from './session-locks.ts';

/** Where sessions are kept, and what keeps the tabs of one browser apart. */
export interface UploadStorage {
  readonly journal: Journal;
  readonly locks: SessionLocks;
  readonly channel: SessionChannel;
}
