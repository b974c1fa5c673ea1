import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cdp } from 'vitest/browser';
import type { JournalError } from '../../src/storage/journal-error.ts';
import { resilientJournal } from '../../src/storage/resilient-journal.ts';
import { IndexedDbWorld } from '../support/indexed-db-world.ts';
import { change, entriesOf, range, readEntries } from '../support/journal-conformance.ts';

const { origin } = location;

function setQuota(quotaSize?: number): Promise<unknown> {
  const limit = quotaSize === undefined ? {} : { quotaSize };
  return cdp().send('Storage.overrideQuotaForOrigin', { origin, ...limit });
}

function clearData(): Promise<unknown> {
  return cdp().send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
}

let world: IndexedDbWorld;
beforeEach(() => {
  world = new IndexedDbWorld();
});
afterEach(async () => {
  await setQuota();
  await world.dispose();
});

describe('an origin whose data is cleared', () => {
  it('is written to again by the page that is still there', async () => {
    const journal = await world.open();
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    await clearData();
    await journal.write(change('s2', { entries: entriesOf([1]) }));
    expect((await (await world.open()).sessions('ann')).map(({ id }) => id)).toEqual(['s2']);
    expect(await readEntries(journal, 's2')).toEqual(entriesOf([1]));
  });
});

describe('a disk without room', () => {
  it('ends what is written, not what can be read', async () => {
    // Chromium remembers for a while how much room it found for a database.
    await clearData();
    const { usage = 0 } = await navigator.storage.estimate();
    await setQuota(usage + 1_000_000);
    const degradations: JournalError[] = [];
    const journal = resilientJournal(() => world.open(), {
      onDegraded: (error) => degradations.push(error),
    });
    await journal.write(change('s1', { entries: entriesOf(range(0, 100)) }));
    await expect(
      journal.keepCopy('s1', 0, new Blob([new Uint8Array(2_000_000)])),
    ).rejects.toMatchObject({
      name: 'JournalError',
      code: 'quota',
    });
    expect([journal.isDurable, degradations]).toEqual([true, []]);
    const rows = range(50, 150).map((seq) => ({ seq, row: 'x'.repeat(100_000) }));
    await journal.write(change('s1', { entries: rows }));
    expect(degradations.map(({ code }) => code)).toEqual(['quota']);
    expect(journal.isDurable).toBe(false);
    expect(await readEntries(journal, 's1')).toEqual([...entriesOf(range(0, 50)), ...rows]);
    expect(await readEntries(await world.open(), 's1')).toEqual(entriesOf(range(0, 100)));
  });
});
