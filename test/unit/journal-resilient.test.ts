import { describe, expect, it } from 'vitest';
import type { Journal } from '../../src/storage/journal.ts';
import { JournalError } from '../../src/storage/journal-error.ts';
import { MemoryJournal } from '../../src/storage/memory-journal.ts';
import { resilientJournal } from '../../src/storage/resilient-journal.ts';
import { change, checksumOf, entriesOf, readEntries } from '../support/journal-conformance.ts';

/** Durable by its own word. Fails at the methods it is told to, as long as it is told to. */
class Flaky extends MemoryJournal {
  override readonly isDurable = true as false;
  readonly failing = new Map<string, unknown>();
  closed = 0;

  override close(): void {
    this.closed += 1;
  }
}

function flakyJournal(): Flaky {
  return new Proxy(new Flaky(), {
    get(target, name: keyof Flaky) {
      const value: unknown = target[name];
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        if (!target.failing.has(name)) return value.apply(target, given);
        const failure = Promise.reject(target.failing.get(name));
        // Pages are asked for one by one: the first one fails.
        return name === 'entries'
          ? { [Symbol.asyncIterator]: () => ({ next: () => failure }) }
          : failure;
      };
    },
  });
}

const quota = () => new DOMException('full', 'QuotaExceededError');
const unknown = () => new DOMException('?', 'UnknownError');

function setUp(open?: () => Promise<Journal>) {
  const durable = flakyJournal();
  const degradations: JournalError[] = [];
  let opened = 0;
  const journal = resilientJournal(
    () => {
      opened += 1;
      return open === undefined ? Promise.resolve(durable) : open();
    },
    { onDegraded: (error) => degradations.push(error) },
  );
  return { durable, journal, degradations, opened: () => opened };
}

const write = (journal: Journal, seqs: number[], version = 0) =>
  journal.write(change('s1', { entries: entriesOf(seqs, version) }));

describe('the journal that falls back', () => {
  it('opens at its first use, once', async () => {
    const { journal, opened, durable } = setUp();
    expect([opened(), journal.isDurable]).toEqual([0, false]);
    await Promise.all([write(journal, [0]), write(journal, [1]), journal.sessions('ann')]);
    expect([opened(), journal.isDurable]).toEqual([1, true]);
    expect(await readEntries(durable, 's1')).toEqual(entriesOf([0, 1]));
  });

  it.each([
    ['rejects', () => Promise.reject(new JournalError('blocked')), 'blocked'],
    ['rejects with what nobody knows', () => Promise.reject(null), 'failed'],
    [
      'throws',
      () => {
        throw new DOMException('no', 'SecurityError');
      },
      'unavailable',
    ],
  ] as const)(
    'is in memory from the start when opening %s, and says so once',
    async (_name, open, code) => {
      const { journal, degradations, opened } = setUp(open);
      await Promise.all([write(journal, [0]), write(journal, [1])]);
      await write(journal, [2]);
      expect(await readEntries(journal, 's1')).toEqual(entriesOf([0, 1, 2]));
      expect(await journal.sessions('ann')).toHaveLength(1);
      expect(degradations.map((error) => error.code)).toEqual([code]);
      expect([opened(), journal.isDurable]).toEqual([1, false]);
    },
  );

  it.each([
    ['write', (journal: Journal) => write(journal, [5])],
    ['sessions', (journal: Journal) => journal.sessions('ann')],
    ['entries', (journal: Journal) => readEntries(journal, 's1')],
    ['remove', (journal: Journal) => journal.remove('s1')],
    ['checksums', (journal: Journal) => journal.checksums(['f1'])],
    ['forgetChecksum', (journal: Journal) => journal.forgetChecksum('f1')],
    [
      'keepHandle',
      (journal: Journal) => journal.keepHandle('s1', { key: 'k', handle: {} as FileSystemHandle }),
    ],
    ['handles', (journal: Journal) => journal.handles('s1')],
    ['copies', (journal: Journal) => journal.copies('s1')],
    ['copy', (journal: Journal) => journal.copy('s1', 0)],
    ['removeCopy', (journal: Journal) => journal.removeCopy('s1', 0)],
  ] as const)('goes over to memory when %s fails, and goes on', async (method, use) => {
    const { journal, durable, degradations } = setUp();
    await write(journal, [0]);
    durable.failing.set(method, unknown());
    await use(journal);
    await use(journal);
    await write(journal, [1]);
    expect((await readEntries(journal, 's1')).at(-1)?.seq).toBeGreaterThan(0);
    expect(degradations.map(({ code, message }) => [code, message])).toEqual([
      ['failed', 'The browser’s storage failed. (UnknownError)'],
    ]);
    expect([journal.isDurable, durable.closed]).toEqual([false, 1]);
    expect(await readEntries(durable, 's1').catch(() => 'fails')).toEqual(
      method === 'entries' ? 'fails' : entriesOf([0]),
    );
  });

  it('loses no write of those that were under way when the first one failed', async () => {
    const { journal, durable, degradations } = setUp();
    await journal.sessions('ann');
    durable.failing.set('write', unknown());
    await Promise.all([write(journal, [0]), write(journal, [1]), write(journal, [2])]);
    expect(await readEntries(journal, 's1')).toEqual(entriesOf([0, 1, 2]));
    expect(degradations).toHaveLength(1);
  });

  it('still reads what is stored when there is no room to write, and changes nothing of it', async () => {
    const { journal, durable, degradations } = setUp();
    const checksums = [{ fingerprint: 'f1', checksum: checksumOf(1), usedMs: 1 }];
    await journal.write(change('s1', { entries: entriesOf([0, 1, 2]), checksums }));
    await journal.write(change('other', { entries: entriesOf([0]) }));
    await journal.keepCopy('other', 0, new Blob(['kept']));
    durable.failing.set('write', quota());
    await write(journal, [1, 3], 7);
    expect(degradations.map(({ code }) => code)).toEqual(['quota']);
    expect(await readEntries(journal, 's1')).toEqual([
      ...entriesOf([0]),
      ...entriesOf([1], 7),
      ...entriesOf([2]),
      ...entriesOf([3], 7),
    ]);
    expect((await journal.sessions('ann')).map(({ id }) => id)).toEqual(['other', 's1']);
    expect(await readEntries(journal, 'other')).toEqual(entriesOf([0]));
    expect(await (await journal.copy('other', 0))?.text()).toBe('kept');
    expect(await journal.checksums(['f1'])).toEqual([checksumOf(1)]);
    await journal.remove('other');
    expect(await readEntries(journal, 'other')).toEqual([]);
    expect(await readEntries(durable, 's1')).toEqual(entriesOf([0, 1, 2]));
    expect(await readEntries(durable, 'other')).toEqual(entriesOf([0]));
    expect([journal.isDurable, durable.closed]).toEqual([false, 0]);
  });

  it.each([
    ['there is no room', quota(), 'quota'],
    ['the browser gives no reason, as WebKit does', null, 'failed'],
  ] as const)(
    'says that a copy could not be kept when %s, and stays durable',
    async (_name, cause, code) => {
      const { journal, durable, degradations } = setUp();
      durable.failing.set('keepCopy', cause);
      await expect(journal.keepCopy('s1', 0, new Blob())).rejects.toMatchObject({
        name: 'JournalError',
        code,
      });
      await write(journal, [0]);
      expect(await readEntries(durable, 's1')).toEqual(entriesOf([0]));
      expect([degradations, journal.isDurable]).toEqual([[], true]);
    },
  );

  it('keeps copies and handles in memory when there is nothing else', async () => {
    const { journal } = setUp(() => Promise.reject(new JournalError('unavailable')));
    await journal.keepCopy('s1', 3, new Blob(['three']));
    const handle = { name: 'a' } as FileSystemHandle;
    expect(await journal.keepHandle('s1', { key: 'k', handle })).toBe(true);
    expect(await journal.copies('s1')).toEqual([3]);
    expect(await journal.handles('s1')).toEqual([{ key: 'k', handle }]);
  });

  it('does not call it degraded when the page closed it', async () => {
    const { journal, durable, degradations } = setUp();
    const written = write(journal, [0]);
    journal.close();
    durable.failing.set('write', new JournalError('closed'));
    await written;
    await write(journal, [1]);
    expect(await journal.sessions('ann')).toHaveLength(1);
    expect([degradations, journal.isDurable, durable.closed]).toEqual([[], false, 1]);
  });

  it('does not open anything when it is closed before its first use', async () => {
    const { journal, opened } = setUp();
    journal.close();
    await write(journal, [0]);
    expect(opened()).toBe(0);
  });
});
