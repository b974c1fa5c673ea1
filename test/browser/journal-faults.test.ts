import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { MIGRATIONS, type Migration } from '../../src/storage/indexed-db-schema.ts';
import type { Journal } from '../../src/storage/journal.ts';
import type { JournalError } from '../../src/storage/journal-error.ts';
import { resilientJournal } from '../../src/storage/resilient-journal.ts';
import { IndexedDbWorld, settled } from '../support/indexed-db-world.ts';
import {
  change,
  checksumOf,
  entriesOf,
  range,
  readEntries,
  sessionRecord,
} from '../support/journal-conformance.ts';

/** Adds a store, and a field to each session. */
const toVersion2: Migration = (database, transaction) => {
  database.createObjectStore('extra');
  const request = transaction.objectStore('sessions').openCursor();
  request.onsuccess = () => {
    const cursor = request.result;
    if (cursor === null) return;
    cursor.update({ ...cursor.value, label: 'migrated' });
    cursor.continue();
  };
};
const NEWER = [...MIGRATIONS, toVersion2];

/** Timers that take a hundredth of their time, and what was asked of them. */
function hastyRuntime() {
  const delaysMs: number[] = [];
  const setTimer = (callback: () => void, delayMs: number) => {
    delaysMs.push(delayMs);
    return setTimeout(callback, delayMs / 100);
  };
  return { delaysMs, runtime: { ...systemRuntime(), setTimer } };
}

/** What the next requests of this kind meet, instead of being made. */
function failNext(method: 'add' | 'put' | 'get' | 'getAll', error: unknown, times: number) {
  const spy = vi.spyOn(IDBObjectStore.prototype, method);
  for (let time = 0; time < times; time += 1) {
    spy.mockImplementationOnce(() => {
      throw error;
    });
  }
  return spy;
}

const unknown = () =>
  new DOMException('Connection to Indexed Database server lost', 'UnknownError');

let world: IndexedDbWorld;
beforeEach(() => {
  world = new IndexedDbWorld();
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  await world.dispose();
});

/** A journal as the pipeline has it, and what it said. */
function resilient(open: () => Promise<Journal>) {
  const degradations: JournalError[] = [];
  const journal = resilientJournal(open, { onDegraded: (error) => degradations.push(error) });
  return { journal, degradations };
}

describe('versions of the database', () => {
  it('are migrated one after the other, and keep what they had', async () => {
    const old = await world.open();
    await old.write(change('s1', { entries: entriesOf(range(0, 100)) }));
    old.close();
    const journal = await world.open({ migrations: NEWER });
    expect(await journal.sessions('ann')).toEqual([{ ...sessionRecord('s1'), label: 'migrated' }]);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf(range(0, 100)));
    const connection = await world.connect();
    expect(connection.version).toBe(2);
    expect([...connection.objectStoreNames]).toContain('extra');
  });

  it('are migrated from none at all', async () => {
    const journal = await world.open({ migrations: NEWER });
    await journal.write(change('s1', { entries: entriesOf([1]) }));
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([1]));
  });

  it('stay as they were when a migration fails', async () => {
    const old = await world.open();
    await old.write(change('s1'));
    const broken: Migration = (database, transaction) => {
      toVersion2(database, transaction);
      throw new RangeError('broken');
    };
    const opening = world.open({ migrations: [...MIGRATIONS, broken] });
    await expect(opening).rejects.toMatchObject({ code: 'failed', cause: { message: 'broken' } });
    expect(await (await world.open()).sessions('ann')).toEqual([sessionRecord('s1')]);
  });

  it('that are newer than the page are refused by name', async () => {
    (await world.open({ migrations: NEWER })).close();
    await expect(world.open()).rejects.toMatchObject({
      name: 'JournalError',
      code: 'newer_version',
      message: expect.stringContaining('Reload the page.'),
    });
  });

  it('change under an open page without waiting for it, and it is told at its next use', async () => {
    const { journal, degradations } = resilient(() => world.open());
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    const underWay = journal.write(change('s1', { entries: entriesOf([1]) }));
    const newer = await world.open({ migrations: NEWER });
    await underWay;
    expect(await readEntries(newer, 's1')).toEqual(entriesOf([0, 1]));
    expect([journal.isDurable, degradations]).toEqual([true, []]);
    await journal.write(change('s1', { entries: entriesOf([2]) }));
    expect(degradations.map(({ code }) => code)).toEqual(['newer_version']);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([2]));
    expect(await readEntries(newer, 's1')).toEqual(entriesOf([0, 1]));
  });

  it('give way to a deletion, and are made again at the next use', async () => {
    const journal = await world.open();
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    await settled(indexedDB.deleteDatabase(world.databaseName));
    await journal.write(change('s2', { entries: entriesOf([1]) }));
    expect((await journal.sessions('ann')).map(({ id }) => id)).toEqual(['s2']);
  });
});

describe('another tab that does not give way', () => {
  it('is waited for three seconds, then named', async () => {
    (await world.open()).close();
    const foreign = await world.connect(1);
    const { runtime, delaysMs } = hastyRuntime();
    await expect(world.open({ migrations: NEWER, runtime })).rejects.toMatchObject({
      code: 'blocked',
      message: expect.stringContaining('Close the other tabs'),
    });
    expect(delaysMs).toEqual([10_000, 3000]);
    foreign.close();
    const journal = await world.open({ migrations: NEWER });
    await journal.write(change('s1'));
    expect(await journal.sessions('ann')).toHaveLength(1);
  });

  it('is waited for no longer than it needs', async () => {
    (await world.open()).close();
    const foreign = await world.connect(1);
    foreign.onversionchange = () => setTimeout(() => foreign.close(), 50);
    const journal = await world.open({ migrations: NEWER });
    await journal.write(change('s1'));
    expect(await journal.sessions('ann')).toHaveLength(1);
  });

  it('leaves nothing open behind when the wait was given up', async () => {
    (await world.open()).close();
    const foreign = await world.connect(1);
    const { runtime } = hastyRuntime();
    await expect(world.open({ migrations: NEWER, runtime })).rejects.toMatchObject({
      code: 'blocked',
    });
    const close = vi.spyOn(IDBDatabase.prototype, 'close');
    foreign.close();
    await vi.waitFor(() => expect(close).toHaveBeenCalledTimes(2), 10_000);
  });

  it('is not waited for without end when the browser says nothing at all', async () => {
    const { runtime } = hastyRuntime();
    let isBusy = true;
    const upgrade = indexedDB.open(world.databaseName, 1);
    upgrade.onupgradeneeded = () => {
      // An upgrade that goes on as long as it makes requests: who opens meanwhile hears nothing.
      const store = upgrade.result.createObjectStore('busy');
      const goOn = () => {
        if (isBusy) store.get(0).onsuccess = goOn;
      };
      goOn();
    };
    await expect(world.open({ runtime })).rejects.toMatchObject({ code: 'unavailable' });
    isBusy = false;
    (await settled(upgrade)).close();
  });
});

describe('a browser without a database', () => {
  const forbidden = () => {
    throw new DOMException('denied', 'SecurityError');
  };

  it.each([
    ['there is none', () => vi.stubGlobal('indexedDB', undefined)],
    ['this page may not ask', () => vi.stubGlobal('indexedDB', { open: forbidden })],
    [
      'it cannot be read',
      () =>
        vi.spyOn(indexedDB, 'open').mockImplementation(() => {
          throw unknown();
        }),
    ],
  ])('is named when %s, and the page goes on in memory', async (_name, stub) => {
    stub();
    await expect(world.open()).rejects.toMatchObject({ name: 'JournalError', code: 'unavailable' });
    const { journal, degradations } = resilient(() => world.open());
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([0]));
    expect(degradations.map(({ code }) => code)).toEqual(['unavailable']);
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  it('is asked once more when it failed for no known reason', async () => {
    const open = vi.spyOn(indexedDB, 'open').mockImplementationOnce(() => {
      throw unknown();
    });
    const journal = await world.open();
    await journal.write(change('s1'));
    expect(open).toHaveBeenCalledTimes(2);
  });
});

describe('garbage in the database', () => {
  it('hides no session but itself', async () => {
    const journal = await world.open();
    await journal.write(change('good'));
    const summary = sessionRecord('x').summary;
    for (const garbage of [
      { id: 'bare', scope: 'ann' },
      { ...sessionRecord('text'), updatedMs: 'yesterday' },
      { ...sessionRecord('short'), summary: { total: 1 } },
      { ...sessionRecord('nan'), summary: { ...summary, left: Number.NaN } },
      { ...sessionRecord('null'), summary: null },
    ]) {
      await world.run('sessions', 'readwrite', (store) => store.put(garbage));
    }
    expect(await journal.sessions('ann')).toEqual([sessionRecord('good')]);
  });

  it('costs a session the entries of that record, and stops nothing', async () => {
    const journal = await world.open();
    const session = sessionRecord('s1', { updatedMs: 0 });
    await journal.write({ session, entries: entriesOf(range(0, 128)), durability: 'relaxed' });
    for (const garbage of [
      { n: 1, seqs: range(64, 128) },
      { n: 500, seqs: 'text', rows: null, removed: 3 },
      { n: 501, seqs: [1, 'two'], rows: [1, 2], removed: [] },
      { n: 'text', seqs: [3], rows: [null], removed: [] },
      { n: new Date(5), seqs: [3], rows: [null], removed: [] },
    ]) {
      await world.run('entries', 'readwrite', (store) =>
        store.put({ sessionId: 's1', ...garbage }),
      );
    }
    const reader = await world.open();
    expect(await readEntries(reader, 's1')).toEqual(entriesOf(range(0, 64)));
    for (let updatedMs = 480; updatedMs < 520; updatedMs += 1) {
      const later = sessionRecord('s1', { updatedMs });
      await reader.write({ session: later, entries: entriesOf([7], 7), durability: 'relaxed' });
    }
    expect((await readEntries(reader, 's1'))[7]).toEqual(entriesOf([7], 7)[0]);
    await reader.remove('s1');
    expect(await world.run('entries', 'readonly', (store) => store.count())).toBe(0);
  });

  it('is no checksum', async () => {
    const journal = await world.open();
    const fingerprints = range(0, 70).map((number) => `f${number}`);
    for (const garbage of [
      {},
      { fingerprints: 'f0', checksums: checksumOf(1) },
      { fingerprints },
      { fingerprints, checksums: null },
      { fingerprints, checksums: fingerprints.map(() => 'abc') },
      { fingerprints, checksums: fingerprints.map(() => 5), usedMs: 'yesterday' },
      { fingerprints: 5, checksums: 5, usedMs: 5 },
    ]) {
      await world.run('checksums', 'readwrite', (store) => store.put(garbage));
    }
    expect(await journal.checksums(fingerprints)).toEqual(fingerprints.map(() => undefined));
    await journal.forgetChecksum('f0');
    const entry = { fingerprint: 'f1', checksum: checksumOf(1), usedMs: 1 };
    await journal.write(change('s1', { checksums: [entry] }));
    expect(await journal.checksums(['f0', 'f1'])).toEqual([undefined, checksumOf(1)]);
  });
});

describe('a transaction that fails', () => {
  it('runs once more on a new connection when the browser gives no reason', async () => {
    const journal = await world.open();
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    const open = vi.spyOn(indexedDB, 'open');
    failNext('add', unknown(), 1);
    await journal.write(change('s1', { entries: entriesOf([1]) }));
    expect(open).toHaveBeenCalledTimes(1);
    failNext('getAll', unknown(), 1);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([0, 1]));
  });

  it('is given up the second time, and the page goes on in memory', async () => {
    const { journal, degradations } = resilient(() => world.open());
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    failNext('add', unknown(), 2);
    await journal.write(change('s1', { entries: entriesOf([1]) }));
    expect(degradations.map(({ code, cause }) => [code, (cause as Error).name])).toEqual([
      ['failed', 'UnknownError'],
    ]);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([1]));
    expect(await readEntries(await world.open(), 's1')).toEqual(entriesOf([0]));
  });

  it('leaves nothing of its change behind, and the next one works', async () => {
    const journal = await world.open();
    await journal.write(change('s1', { entries: entriesOf(range(0, 64)) }));
    const session = sessionRecord('s1', { updatedMs: 9999 });
    const entries = [...entriesOf(range(0, 64), 1), { seq: 70, row: () => {} }];
    const checksums = [{ fingerprint: 'f1', checksum: checksumOf(1), usedMs: 1 }];
    const failed = journal.write({ session, entries, checksums, durability: 'strict' });
    await expect(failed).rejects.toMatchObject({
      code: 'failed',
      cause: { name: 'DataCloneError' },
    });
    expect(await journal.sessions('ann')).toEqual([sessionRecord('s1')]);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf(range(0, 64)));
    expect(await journal.checksums(['f1'])).toEqual([undefined]);
    await journal.write(change('s1', { entries: entriesOf([1], 2) }));
    expect((await readEntries(await world.open(), 's1'))[1]).toEqual(entriesOf([1], 2)[0]);
  });

  it('is named by its own reason, not by that of a request it took along', async () => {
    const { journal, degradations } = resilient(() => world.open());
    await journal.write(change('s1'));
    const reason = new DOMException('full', 'QuotaExceededError');
    vi.spyOn(IDBTransaction.prototype, 'error', 'get').mockReturnValue(reason);
    failNext('put', new DOMException('taken along', 'AbortError'), 1);
    await journal.write(change('s1', { entries: entriesOf([1]) }));
    expect(degradations.map(({ code }) => code)).toEqual(['quota']);
  });

  it('is repeated when the connection was closed under the page', async () => {
    const opened: IDBDatabase[] = [];
    const open = indexedDB.open.bind(indexedDB);
    vi.spyOn(indexedDB, 'open').mockImplementation((...name) => {
      const request = open(...name);
      request.addEventListener('success', () => opened.push(request.result));
      return request;
    });
    const journal = await world.open();
    // Without a word: the next transaction cannot begin.
    opened[0]?.close();
    await journal.write(change('s1', { entries: entriesOf([0]) }));
    // With the event that a browser sends when it clears an origin's data.
    opened[1]?.close();
    opened[1]?.dispatchEvent(new Event('close'));
    await journal.write(change('s1', { entries: entriesOf([1]) }));
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([0, 1]));
    expect(opened).toHaveLength(3);
  });

  it('rejects as closed after the journal was closed', async () => {
    const journal = await world.open();
    journal.close();
    await expect(journal.write(change('s1'))).rejects.toMatchObject({ code: 'closed' });
    await expect(journal.sessions('ann')).rejects.toMatchObject({ code: 'closed' });
  });
});

describe('a handle that the browser cannot store', () => {
  it('is not kept, and harms no other write', async () => {
    const journal = await world.open();
    const uncloneable = (() => {}) as unknown as FileSystemHandle;
    const [first, isKept, second, isOtherKept] = await Promise.all([
      journal.write(change('s1', { entries: entriesOf([0]) })),
      journal.keepHandle('s1', { key: 'a', handle: uncloneable }),
      journal.write(change('s1', { entries: entriesOf([1]) })),
      journal.keepHandle('s1', { key: 'b', handle: await world.handle('b') }),
    ]);
    const { keepsHandles } = world;
    expect([first, isKept, second]).toEqual([undefined, false, undefined]);
    expect(isOtherKept).toBe(keepsHandles);
    expect((await journal.handles('s1')).map(({ key }) => key)).toEqual(keepsHandles ? ['b'] : []);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([0, 1]));
  });
});

describe('two pages that write to one session', () => {
  it('lose no entry of one another, though neither knew of the other', async () => {
    const [first, second] = [await world.open(), await world.open()];
    await Promise.all([readEntries(first, 's1'), readEntries(second, 's1')]);
    await first.write(change('s1', { entries: entriesOf(range(0, 200)) }));
    await second.write(change('s1', { entries: entriesOf(range(100, 300), 1) }));
    const expected = [...entriesOf(range(0, 100)), ...entriesOf(range(100, 300), 1)];
    expect(await readEntries(await world.open(), 's1')).toEqual(expected);
  });

  it('take over from one another by reading', async () => {
    const [first, second] = [await world.open(), await world.open()];
    await first.write(change('s1', { entries: entriesOf(range(0, 100)) }));
    expect(await readEntries(second, 's1')).toHaveLength(100);
    await first.write(change('s1', { entries: entriesOf(range(0, 100), 1) }));
    expect(await readEntries(second, 's1')).toEqual(entriesOf(range(0, 100), 1));
    await second.write(change('s1', { entries: entriesOf(range(0, 100), 2) }));
    expect(await readEntries(first, 's1')).toEqual(entriesOf(range(0, 100), 2));
    expect(await world.run('entries', 'readonly', (store) => store.count())).toBe(2);
  });
});

describe('what is stored', () => {
  it('commits as durably as it was asked to', async () => {
    const begin = vi.spyOn(IDBDatabase.prototype, 'transaction');
    const journal = await world.open();
    await journal.write(change('s1', { durability: 'strict' }));
    await journal.write(change('s1', { durability: 'relaxed' }));
    expect(begin.mock.calls.map(([, , options]) => options?.durability)).toEqual([
      'strict',
      'relaxed',
    ]);
  });

  it('is one transaction a write, and one record for 64 entries', async () => {
    const journal = await world.open();
    await journal.write(change('s1'));
    const begin = vi.spyOn(IDBDatabase.prototype, 'transaction');
    await journal.entries('s1')[Symbol.asyncIterator]().next();
    await journal.write(change('s1', { entries: entriesOf(range(0, 500)), removed: [1, 2] }));
    expect(begin.mock.calls.filter(([, mode]) => mode === 'readwrite')).toHaveLength(1);
    expect(await world.run('entries', 'readonly', (store) => store.count())).toBe(8);
  });

  it('is cleaned of replaced entries while it is written', async () => {
    const journal = await world.open();
    for (let version = 0; version < 30; version += 1) {
      const seqs = range(0, 640).filter((seq) => seq % 30 >= version);
      for (let at = 0; at < seqs.length; at += 40) {
        await journal.write(change('s1', { entries: entriesOf(seqs.slice(at, at + 40), version) }));
      }
    }
    const records = await world.run('entries', 'readonly', (store) => store.getAll());
    const stored = records.reduce((sum, { seqs }) => sum + seqs.length, 0);
    expect(stored).toBeLessThan(2 * 640 + 2048 + 40);
    expect(await readEntries(await world.open(), 's1')).toEqual(
      range(0, 640).flatMap((seq) => entriesOf([seq], seq % 30)),
    );
  });

  it('has the checksums that were used last, up to their limit', async () => {
    const journal = await world.open({ maxChecksums: 100 });
    const checksums = range(0, 1700).map((number) => ({
      fingerprint: `f${number}`,
      checksum: checksumOf(number),
      // Used in another order than they were written.
      usedMs: 1699 - number,
    }));
    await journal.write(change('s1', { checksums }));
    const stored = () => journal.checksums(checksums.map(({ fingerprint }) => fingerprint));
    const kept = async () => {
      const found = await stored();
      return checksums.filter((_, at) => found[at] !== undefined);
    };
    // Whole records go: the last one may take some more along.
    await vi.waitFor(async () => expect((await kept()).length).toBeLessThanOrEqual(100), 10_000);
    expect((await kept()).length).toBeGreaterThan(100 - 64);
    expect((await kept()).every(({ usedMs }) => usedMs >= 1600)).toBe(true);
  });

  it('answers a few checksums among very many that lie between them', async () => {
    const journal = await world.open();
    const fingerprints = range(0, 3000).map((number) => String(number).padStart(5, '0'));
    const checksums = fingerprints.map((fingerprint, number) => ({
      fingerprint,
      checksum: checksumOf(number),
      usedMs: 1,
    }));
    await journal.write(change('s1', { checksums }));
    await journal.write(
      change('s1', { checksums: [{ fingerprint: '01500', checksum: checksumOf(7), usedMs: 1 }] }),
    );
    const asked = ['02999', '00000', '01500', 'none'];
    const expected = [checksumOf(2999), checksumOf(0), checksumOf(7), undefined];
    expect(await journal.checksums(asked)).toEqual(expected);
    await journal.forgetChecksum('01500');
    expected[2] = undefined;
    expect(await journal.checksums(asked)).toEqual(expected);
  });
});
