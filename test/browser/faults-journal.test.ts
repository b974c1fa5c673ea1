import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fromStoredRow } from '../../src/core/session/stored-row.ts';
import { MIGRATIONS } from '../../src/storage/indexed-db-schema.ts';
import type { JournalError } from '../../src/storage/journal-error.ts';
import { all, createFaultWorld, photos } from '../support/fault-world.ts';
import { IndexedDbWorld } from '../support/indexed-db-world.ts';

const FILES = 30;

let database: IndexedDbWorld;
beforeEach(() => {
  database = new IndexedDbWorld();
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await database.dispose();
});

/** A page whose uploads are kept in IndexedDB, and what it said of that. */
async function createKeptWorld() {
  const { databaseName } = database;
  const world = await createFaultWorld({ uploader: { storage: undefined, databaseName } });
  const degradations: string[] = [];
  world.uploader.on('journal-degraded', ({ error }) => {
    degradations.push((error as JournalError).code);
  });
  return { ...world, degradations };
}

/** Requests to write that fail as the browser says, from the n-th on, or only that one. */
function failWrites(name: string, { from, times = Number.POSITIVE_INFINITY }: FailingWrites) {
  const { put, add } = IDBObjectStore.prototype;
  let calls = 0;
  const failing = (method: typeof put) =>
    function write(this: IDBObjectStore, ...args: Parameters<typeof put>) {
      calls += 1;
      if (calls >= from && calls < from + times) throw new DOMException('said the browser', name);
      return method.apply(this, args);
    };
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(failing(put));
  vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(failing(add));
}

interface FailingWrites {
  readonly from: number;
  readonly times?: number;
}

describe('the journal', () => {
  it('38: that runs out of room says so once, and every upload arrives', async () => {
    failWrites('QuotaExceededError', { from: 4 });
    const world = await createKeptWorld();
    await world.upload(photos(FILES));
    expect(world.statuses()).toEqual(all(FILES));
    expect(world.degradations).toEqual(['quota']);
    expect(world.uploader.getSnapshot().survivesReload).toBe(false);
    await world.verify();
  });

  it.each([
    ['is forbidden', () => vi.stubGlobal('indexedDB', { open: refuseToOpen })],
    ['is not there', () => vi.stubGlobal('indexedDB', undefined)],
  ])('39: that %s says so once, and keeps no upload from arriving', async (_, hide) => {
    hide();
    const world = await createKeptWorld();
    await world.upload(photos(FILES));
    expect(world.statuses()).toEqual(all(FILES));
    expect(world.degradations).toEqual(['unavailable']);
    expect(world.uploader.getSnapshot().survivesReload).toBe(false);
    await world.verify();
  });

  it('40: gives way to a newer version of the page, which finds what this one wrote', async () => {
    const world = await createKeptWorld();
    await world.server.plan([{ match: { route: 'put' }, do: 'hang' }]);
    await world.add(photos(FILES));
    await expect.poll(() => world.uploader.getSnapshot().survivesReload).toBe(true);
    // It would wait for ever if the older page did not close its connection.
    const newer = await database.open({ migrations: [...MIGRATIONS, () => {}] });
    const [session] = await newer.sessions('');
    expect(session?.summary.total).toBe(FILES);
    // The older page finds out when it next has something to write.
    await world.server.reset();
    await world.uploader.done();
    expect(world.statuses()).toEqual(all(FILES));
    await expect.poll(() => world.degradations).toEqual(['newer_version']);
    await world.verify();
  });

  it('41: with garbage in it loses the garbage, and goes on with the rest', async () => {
    const first = await createKeptWorld();
    await first.server.plan([{ match: { route: 'put' }, do: 'hang' }]);
    await first.add(photos(FILES));
    const journal = await database.open();
    const written = async () => (await journal.sessions(''))[0]?.summary.total;
    await expect.poll(written).toBe(FILES);
    first.uploader.destroy();
    const world = await createKeptWorld();
    const states = async () => (await world.uploader.sessions.refresh()).map(({ state }) => state);
    // The first page has written everything and let go.
    await expect.poll(states).toEqual(['interrupted']);
    const [session] = await journal.sessions('');
    if (!session) throw new Error('There is no session');
    const garbage = [undefined, 'row', [1, 'sent'], { a: 1 }];
    expect(garbage.map(fromStoredRow)).toEqual(garbage.map(() => undefined));
    const entries = garbage.map((row, seq) => ({ seq, row }));
    await journal.write({ session, entries, durability: 'relaxed' });

    const { restored } = await world.uploader.sessions.resume(session.id);
    expect(restored).toBe(FILES - garbage.length);
    expect(world.degradations).toEqual([]);
  });

  it('42: that fails once without a reason, as in WebKit, is written to again', async () => {
    failWrites('UnknownError', { from: 3, times: 1 });
    const world = await createKeptWorld();
    await world.upload(photos(FILES));
    expect(world.statuses()).toEqual(all(FILES));
    expect(world.degradations).toEqual([]);
    expect(world.uploader.getSnapshot().survivesReload).toBe(true);
    await world.verify();
  });
});

function refuseToOpen(): never {
  throw new DOMException('not in private windows', 'SecurityError');
}
