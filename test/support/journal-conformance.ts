import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  Journal,
  JournalChange,
  JournalEntry,
  SessionRecord,
} from '../../src/storage/journal.ts';

/** One store, empty at first. */
export interface JournalUnderTest {
  /** A journal on the store; called again, another one on the same store, as another page has it. */
  open(): Promise<Journal>;
  /** Whether handles outlive the page here: WebKit stores none. */
  readonly keepsHandles: boolean;
  /** What this journal is asked to keep as a handle; the same for the same name. */
  handle(name: string): Promise<FileSystemHandle>;
  dispose(): Promise<void>;
}

export function sessionRecord(id: string, over: Partial<SessionRecord> = {}): SessionRecord {
  const summary = {
    total: 3,
    totalBytes: 300,
    left: 2,
    leftBytes: 200,
    failed: 1,
    isComplete: true,
  };
  return { id, scope: 'ann', createdMs: 1000, updatedMs: 2000, summary, ...over };
}

export function change(sessionId: string, over: Partial<JournalChange> = {}): JournalChange {
  return { session: sessionRecord(sessionId), durability: 'relaxed', ...over };
}

/** Entries with one row each that tells its place and version. */
export function entriesOf(seqs: Iterable<number>, version = 0): JournalEntry[] {
  return Array.from(seqs, (seq) => ({ seq, row: { seq, version } }));
}

export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

export async function readEntries(journal: Journal, sessionId: string): Promise<JournalEntry[]> {
  const found: JournalEntry[] = [];
  for await (const page of journal.entries(sessionId)) for (const entry of page) found.push(entry);
  return found;
}

/** SHA-256 as it is written: 64 hex digits, the same for the same number. */
export const checksumOf = (number: number): string => number.toString(16).padStart(64, '0');

/** What every journal must do. */
export function describeJournal(
  name: string,
  create: () => JournalUnderTest | Promise<JournalUnderTest>,
): void {
  describe(`the journal ${name}`, () => {
    let world: JournalUnderTest;
    let journal: Journal;

    beforeEach(async () => {
      world = await create();
      journal = await world.open();
    });
    afterEach(async () => {
      journal.close();
      await world.dispose();
    });

    it('knows nothing at first', async () => {
      expect(await journal.sessions('ann')).toEqual([]);
      expect(await readEntries(journal, 's1')).toEqual([]);
      expect(await journal.checksums(['f1'])).toEqual([undefined]);
      expect(await journal.handles('s1')).toEqual([]);
      expect(await journal.copies('s1')).toEqual([]);
      expect(await journal.copy('s1', 0)).toBeUndefined();
    });

    it.each(['relaxed', 'strict'] as const)(
      'gives %s writes back, to another page too',
      async (durability) => {
        const entries = entriesOf([0, 1, 2]);
        const checksums = [{ fingerprint: 'f1', checksum: checksumOf(1), usedMs: 5 }];
        await journal.write(change('s1', { entries, checksums, durability }));
        for (const reader of [journal, await world.open()]) {
          expect(await reader.sessions('ann')).toEqual([sessionRecord('s1')]);
          expect(await readEntries(reader, 's1')).toEqual(entries);
          expect(await reader.checksums(['f1'])).toEqual([checksumOf(1)]);
        }
      },
    );

    it('gives entries back in order, however they were written', async () => {
      await journal.write(change('s1', { entries: entriesOf([7, 3]) }));
      await journal.write(change('s1', { entries: entriesOf([5, 0, 9]) }));
      const seqs = (await readEntries(journal, 's1')).map(({ seq }) => seq);
      expect(seqs).toEqual([0, 3, 5, 7, 9]);
    });

    it('keeps the last version of an entry, among many and within one change', async () => {
      await journal.write(change('s1', { entries: entriesOf(range(0, 200)) }));
      await journal.write(change('s1', { entries: entriesOf(range(50, 150), 1) }));
      const twice = [...entriesOf([100], 2), ...entriesOf([100], 3)];
      await journal.write(change('s1', { entries: twice }));
      const expected = [
        ...entriesOf(range(0, 50)),
        ...entriesOf(range(50, 100), 1),
        ...entriesOf([100], 3),
        ...entriesOf(range(101, 150), 1),
        ...entriesOf(range(150, 200)),
      ];
      expect(await readEntries(journal, 's1')).toEqual(expected);
      expect(await readEntries(await world.open(), 's1')).toEqual(expected);
    });

    it('gives thousands of entries back in pages that together are all of them', async () => {
      const all = entriesOf(range(0, 9001));
      for (let at = 0; at < all.length; at += 500) {
        await journal.write(change('s1', { entries: all.slice(at, at + 500) }));
      }
      expect(await readEntries(await world.open(), 's1')).toEqual(all);
    });

    it('gives rows back as they can be cloned, not as JSON has them', async () => {
      const row = { when: new Date(5), names: new Map([['a', [1, undefined, null]]]), big: 2n };
      const rows = [row, undefined, null, 'text', [1, [2]], Number.NaN];
      const entries = rows.map((value, seq) => ({ seq, row: value }));
      await journal.write(change('s1', { entries }));
      expect(await readEntries(journal, 's1')).toStrictEqual(entries);
    });

    it('forgets removed entries and their copies, and lets them come back', async () => {
      await journal.write(change('s1', { entries: entriesOf(range(0, 130)) }));
      await journal.keepCopy('s1', 4, new Blob(['four']));
      await journal.keepCopy('s1', 5, new Blob(['five']));
      await journal.write(change('s1', { removed: [4, 64, 999] }));
      const left = range(0, 130).filter((seq) => seq !== 4 && seq !== 64);
      for (const reader of [journal, await world.open()]) {
        expect(await readEntries(reader, 's1')).toEqual(entriesOf(left));
        expect(await reader.copies('s1')).toEqual([5]);
      }
      await journal.write(change('s1', { entries: entriesOf([4], 1) }));
      expect((await readEntries(await world.open(), 's1'))[4]).toEqual({
        seq: 4,
        row: { seq: 4, version: 1 },
      });
    });

    it('removes what the same change adds', async () => {
      await journal.write(change('s1', { entries: entriesOf([1, 2]), removed: [2] }));
      expect(await readEntries(await world.open(), 's1')).toEqual(entriesOf([1]));
    });

    it('lists the sessions of one scope, latest first, as they were written last', async () => {
      for (const [id, updatedMs] of [
        ['old', 10],
        ['new', 30],
        ['middle', 20],
      ] as const) {
        await journal.write(change(id, { session: sessionRecord(id, { updatedMs }) }));
      }
      const foreign = sessionRecord('foreign', { scope: 'bob', updatedMs: 99 });
      await journal.write(change('foreign', { session: foreign }));
      const renewed = sessionRecord('old', { updatedMs: 40, createdMs: 1 });
      await journal.write(change('old', { session: renewed }));
      const sessions = await journal.sessions('ann');
      expect(sessions.map(({ id }) => id)).toEqual(['old', 'new', 'middle']);
      expect(sessions[0]).toEqual(renewed);
      expect(await journal.sessions('bob')).toEqual([foreign]);
      expect(await journal.sessions('')).toEqual([]);
    });

    it('forgets a session as a whole, and nothing else', async () => {
      const handle = await world.handle('kept');
      for (const id of ['s', 's1', 's10']) {
        const checksums = [{ fingerprint: id, checksum: checksumOf(7), usedMs: 1 }];
        await journal.write(change(id, { entries: entriesOf([0, 1]), checksums }));
        await journal.keepCopy(id, 0, new Blob([id]));
        await journal.keepHandle(id, { key: 'k', handle });
      }
      await journal.remove('s1');
      for (const reader of [journal, await world.open()]) {
        expect((await reader.sessions('ann')).map(({ id }) => id)).toEqual(['s', 's10']);
        expect(await readEntries(reader, 's1')).toEqual([]);
        expect(await reader.copies('s1')).toEqual([]);
        expect(await reader.handles('s1')).toEqual([]);
        for (const id of ['s', 's10']) {
          expect(await readEntries(reader, id)).toEqual(entriesOf([0, 1]));
          expect(await reader.copies(id)).toEqual([0]);
          expect(await reader.handles(id)).toHaveLength(world.keepsHandles ? 1 : 0);
        }
        expect(await reader.checksums(['s1'])).toEqual([checksumOf(7)]);
      }
      await journal.write(change('s1', { entries: entriesOf([1], 5) }));
      expect(await readEntries(journal, 's1')).toEqual(entriesOf([1], 5));
    });

    it('answers checksums in the order of the question', async () => {
      const fingerprints = range(0, 1200).map((number) => `folder/${number}.jpg`);
      const checksums = fingerprints.map((fingerprint, number) => ({
        fingerprint,
        checksum: checksumOf(number),
        usedMs: number,
      }));
      await journal.write(change('s1', { checksums: checksums.slice(0, 600) }));
      await journal.write(change('s1', { checksums: checksums.slice(600) }));
      const asked = ['none', ...fingerprints.toReversed(), 'nor this'];
      const expected = range(0, 1200).reverse().map(checksumOf);
      expect(await journal.checksums(asked)).toEqual([undefined, ...expected, undefined]);
      expect(await journal.checksums([])).toEqual([]);
    });

    it('replaces and forgets a checksum', async () => {
      const entry = { fingerprint: 'f1', checksum: checksumOf(1), usedMs: 1 };
      await journal.write(change('s1', { checksums: [entry] }));
      await journal.write(change('s1', { checksums: [{ ...entry, checksum: checksumOf(2) }] }));
      expect(await journal.checksums(['f1'])).toEqual([checksumOf(2)]);
      await journal.forgetChecksum('f1');
      await journal.forgetChecksum('never known');
      expect(await journal.checksums(['f1'])).toEqual([undefined]);
    });

    it('keeps handles by their key, or says that it cannot', async () => {
      const { keepsHandles } = world;
      const [first, second] = [await world.handle('first'), await world.handle('second')];
      expect(await journal.keepHandle('s1', { key: 'b', handle: first })).toBe(keepsHandles);
      expect(await journal.keepHandle('s1', { key: 'a', handle: second })).toBe(keepsHandles);
      expect(await journal.keepHandle('s1', { key: 'b', handle: second })).toBe(keepsHandles);
      const kept = await (await world.open()).handles('s1');
      const named = kept.map(({ key, handle }) => [key, handle.name]);
      const both = [
        ['a', 'second'],
        ['b', 'second'],
      ];
      expect(named).toEqual(keepsHandles ? both : []);
    });

    it('keeps copies of files, byte for byte, with their names', async () => {
      const bytes = new Uint8Array(70_000).map((_, at) => at % 251);
      const file = new File([bytes], 'a.jpg', { type: 'image/jpeg', lastModified: 12 });
      await journal.keepCopy('s1', 12, file);
      await journal.keepCopy('s1', 3, new Blob(['three']));
      const reader = await world.open();
      expect(await reader.copies('s1')).toEqual([3, 12]);
      const copy = (await reader.copy('s1', 12)) as File;
      expect([copy.name, copy.type, copy.lastModified]).toEqual(['a.jpg', 'image/jpeg', 12]);
      expect(new Uint8Array(await copy.arrayBuffer())).toEqual(bytes);
      await reader.removeCopy('s1', 12);
      await reader.removeCopy('s1', 999);
      expect(await journal.copies('s1')).toEqual([3]);
      expect(await journal.copy('s1', 12)).toBeUndefined();
    });

    it('takes writes that do not wait for one another, in their order', async () => {
      const writes = range(0, 40).map((version) =>
        journal.write(change(`s${version % 2}`, { entries: entriesOf(range(0, 20), version) })),
      );
      await Promise.all(writes);
      expect(await readEntries(journal, 's0')).toEqual(entriesOf(range(0, 20), 38));
      expect(await readEntries(journal, 's1')).toEqual(entriesOf(range(0, 20), 39));
    });

    it('takes a change without entries', async () => {
      await journal.write(change('s1', { entries: entriesOf([1]) }));
      const session = sessionRecord('s1', { updatedMs: 9000 });
      await journal.write(change('s1', { session, entries: [], removed: [], checksums: [] }));
      expect(await journal.sessions('ann')).toEqual([session]);
      expect(await readEntries(journal, 's1')).toEqual(entriesOf([1]));
    });

    it('keeps what was written before it was closed, awaited or not', async () => {
      const writes = range(0, 5).map((number) =>
        journal.write(change('s1', { entries: entriesOf([number]) })),
      );
      journal.close();
      journal.close();
      await Promise.all(writes);
      expect(await readEntries(await world.open(), 's1')).toEqual(entriesOf(range(0, 5)));
    });
  });
}
