import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JournalError } from '../../src/storage/journal-error.ts';
import { all, createFaultWorld, photos } from '../support/fault-world.ts';
import { hurriedRuntime } from '../support/hurried-runtime.ts';
import { IndexedDbWorld } from '../support/indexed-db-world.ts';
import { change, entriesOf } from '../support/journal-conformance.ts';

const STORES = ['sessions', 'entries', 'checksums'];

let database: IndexedDbWorld;
beforeEach(() => {
  database = new IndexedDbWorld();
});
afterEach(() => database.dispose());

/** A transaction of another page that does not end until it is told to, as in a page that was frozen. */
async function hold(): Promise<() => void> {
  const connection = await database.connect();
  const transaction = connection.transaction(STORES, 'readwrite');
  const store = transaction.objectStore('sessions');
  let isHeld = true;
  const again = () => {
    if (isHeld) store.count().onsuccess = again;
  };
  again();
  return () => {
    isHeld = false;
  };
}

describe('a transaction that hangs', () => {
  it('fails after a while, and the journal goes on when the way is free', async () => {
    const journal = await database.open({ runtime: hurriedRuntime() });
    const release = await hold();
    const cause = { name: 'TimeoutError' };
    await expect(journal.checksums(['f1'])).rejects.toMatchObject({ code: 'failed', cause });
    const write = journal.write(change('s1', { entries: entriesOf([0]) }));
    await expect(write).rejects.toMatchObject({ code: 'failed', cause });
    release();
    await journal.write(change('s1', { entries: entriesOf([1]) }));
    expect(await journal.sessions('ann')).toHaveLength(1);
  });

  it('holds up no upload: memory takes the journal’s place, and it is said once', async () => {
    await database.open();
    const release = await hold();
    const { databaseName } = database;
    const world = await createFaultWorld({ uploader: { storage: undefined, databaseName } });
    const degradations: string[] = [];
    world.uploader.on('journal-degraded', ({ error }) => {
      degradations.push((error as JournalError).code);
    });
    await world.upload(photos(30));
    expect(world.statuses()).toEqual(all(30));
    await expect.poll(() => degradations).toEqual(['failed']);
    expect(world.uploader.getSnapshot().survivesReload).toBe(false);
    release();
    await world.verify();
  });
});
