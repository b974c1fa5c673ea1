import { MemoryJournal } from './memory-journal.ts';
import type { SessionChannel } from './session-channel.ts';
import type { SessionLocks } from './session-locks.ts';
import type { UploadStorage } from './upload-storage.ts';

/** Nobody else knows of these sessions. */
const locks: SessionLocks = {
  hold: async () => () => {},
  whenFree: async () => () => {},
  held: async () => new Set(),
};

const channel: SessionChannel = {
  isAvailable: false,
  post() {},
  onMessage: () => () => {},
  close() {},
};

/** Lasts as long as the page, and is this page's alone. */
export function memoryStorage(): UploadStorage {
  return { journal: new MemoryJournal(), locks, channel };
}
