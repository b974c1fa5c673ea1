import { describe, expect, it } from 'vitest';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { openIndexedDbJournal } from '../../src/storage/indexed-db-journal.ts';
import { resilientJournal } from '../../src/storage/resilient-journal.ts';
import { IndexedDbWorld } from '../support/indexed-db-world.ts';
import { describeJournal } from '../support/journal-conformance.ts';
import { checkAgainstMemory } from '../support/journal-model.ts';

/** The same store through the journal that the pipeline uses. */
class ResilientWorld extends IndexedDbWorld {
  override async open() {
    const { databaseName } = this;
    const runtime = systemRuntime();
    return resilientJournal(() => openIndexedDbJournal({ databaseName, runtime }), {
      onDegraded: (error) => expect.unreachable(error.message),
    });
  }
}

describeJournal('in IndexedDB', () => new IndexedDbWorld());
describeJournal('that falls back, in IndexedDB', () => new ResilientWorld());

describe('random use of the journal in IndexedDB', () => {
  it('answers as memory does, over reopened pages', { timeout: 120_000 }, async () => {
    await checkAgainstMemory(
      () => new IndexedDbWorld(),
      (answers, expected) => expect(answers).toEqual(expected),
      40,
    );
  });
});
