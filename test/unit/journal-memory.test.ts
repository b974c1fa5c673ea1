import type { Journal } from '../../src/storage/journal.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';
import { OverlayJournal } from '../../src/storage/overlay-journal.ts';
import { resilientJournal } from '../../src/storage/resilient-journal.ts';
import { describeJournal, type JournalUnderTest } from '../support/journal-conformance.ts';

/** Pages that share one journal in memory. What Node has no handles for is only carried about. */
function inMemory(journal: Journal): JournalUnderTest {
  return {
    open: async () => journal,
    keepsHandles: true,
    handle: async (name) => ({ name }) as FileSystemHandle,
    dispose: async () => {},
  };
}

describeJournal('in memory', () => inMemory(new MemoryJournal()));
describeJournal('in memory over another one', () =>
  inMemory(new OverlayJournal(new MemoryJournal())),
);
describeJournal('that falls back, in memory', () => {
  const shared = new MemoryJournal();
  return {
    ...inMemory(shared),
    open: async () => resilientJournal(async () => shared, { onDegraded: () => {} }),
  };
});
