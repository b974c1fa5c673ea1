import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EntryLog, type EntryRecord } from '../../src/storage/entry-log.ts';
import { entriesOf, range } from '../support/journal-conformance.ts';

/** What IndexedDB does with the log's changes. */
class RecordShelf {
  readonly records = new Map<number, EntryRecord>();
  reads = 0;
  #log = new EntryLog('s');

  write(seqs: readonly number[], version: number, removed: readonly number[] = [], ms = 0): void {
    const moved = this.#log.thin().map((n) => {
      this.reads += 1;
      const record = this.records.get(n);
      if (record === undefined) throw new Error(`${n} is not stored`);
      return record;
    });
    const { records, dead } = this.#log.append(entriesOf(seqs, version), removed, moved, ms);
    for (const record of records) {
      expect(this.records.has(record.n)).toBe(false);
      expect(record.seqs.length).toBeLessThanOrEqual(64);
      this.records.set(record.n, record);
    }
    for (const n of dead) expect(this.records.delete(n)).toBe(true);
  }

  /** What another page makes of the records. */
  reload(): void {
    this.#log = new EntryLog('s');
    for (const n of [...this.records.keys()].sort((a, b) => a - b)) {
      const record = this.records.get(n);
      if (record !== undefined) this.#log.add(record);
    }
  }

  rows(): unknown[] {
    const rows = new Map<number, unknown>();
    for (const n of [...this.records.keys()].sort((a, b) => a - b)) {
      const record = this.records.get(n);
      for (const [at, seq] of record?.seqs.entries() ?? []) rows.set(seq, record?.rows[at]);
      for (const seq of record?.removed ?? []) rows.delete(seq);
    }
    return [...rows].sort(([a], [b]) => a - b).map(([, row]) => row);
  }

  size(): number {
    return [...this.records.values()].reduce(
      (sum, { seqs, removed }) => sum + seqs.length + removed.length,
      0,
    );
  }
}

const rowsOf = (seqs: Iterable<number>, version: number) =>
  entriesOf(seqs, version).map(({ row }) => row);

describe('the log of entries', () => {
  it('puts 64 entries into a record', () => {
    const shelf = new RecordShelf();
    shelf.write(range(0, 500), 0);
    expect([...shelf.records.values()].map(({ seqs }) => seqs.length)).toEqual([
      64, 64, 64, 64, 64, 64, 64, 52,
    ]);
  });

  it('drops a record as soon as all of it was replaced', () => {
    const shelf = new RecordShelf();
    shelf.write(range(0, 128), 0);
    shelf.write(range(0, 63), 1);
    expect(shelf.records.size).toBe(3);
    shelf.write([63], 1);
    expect(shelf.rows()).toEqual([...rowsOf(range(0, 64), 1), ...rowsOf(range(64, 128), 0)]);
    expect([...shelf.records.values()].map(({ seqs }) => seqs[0])).toEqual([64, 0, 63]);
  });

  it('moves what is left in half-empty records, and never stores much more than is there', () => {
    const shelf = new RecordShelf();
    // Each turn leaves a thirtieth of the entries behind, a few in every record.
    for (let version = 0; version < 30; version += 1) {
      const written = range(0, 6400).filter((seq) => seq % 30 >= version);
      for (let at = 0; at < written.length; at += 100) {
        shelf.write(written.slice(at, at + 100), version);
        expect(shelf.size()).toBeLessThan(2 * 6400 + 2048 + 500);
      }
    }
    expect(shelf.rows()).toEqual(range(0, 6400).flatMap((seq) => rowsOf([seq], seq % 30)));
    expect(shelf.reads).toBeGreaterThan(0);
  });

  it('moves little: what is replaced in order is never read again', () => {
    const shelf = new RecordShelf();
    for (let version = 0; version < 6; version += 1) {
      for (let at = 0; at < 20_000; at += 500) shelf.write(range(at, at + 500), version);
    }
    expect(shelf.reads).toBe(0);
    expect(shelf.size()).toBe(20_000);
  });

  it('stays small when single entries are written one at a time', () => {
    const shelf = new RecordShelf();
    for (let turn = 0; turn < 20_000; turn += 1) shelf.write([(turn * 7) % 50], turn);
    expect(shelf.size()).toBe(50);
  });

  it('drops removals when nothing is left that they could hide', () => {
    const shelf = new RecordShelf();
    shelf.write(range(0, 640), 0);
    shelf.write([], 0, range(0, 639));
    expect(shelf.rows()).toEqual(rowsOf([639], 0));
    shelf.write([], 0, [639]);
    expect(shelf.rows()).toEqual([]);
    expect(shelf.size()).toBe(0);
    shelf.write([5], 1);
    expect(shelf.rows()).toEqual(rowsOf([5], 1));
  });

  it('hides what was removed for as long as it is there, through all moves', () => {
    const shelf = new RecordShelf();
    shelf.write(range(0, 64), 0);
    shelf.write(range(1000, 1063), 0, [5]);
    for (let version = 0; version < 30; version += 1) {
      shelf.write(range(1000, 1063), version);
      const written = range(2000, 2640).filter((seq) => seq % 30 >= version);
      for (let at = 0; at < written.length; at += 40) {
        shelf.write(written.slice(at, at + 40), version);
      }
    }
    expect(shelf.records.has(1)).toBe(false);
    expect(shelf.rows().slice(0, 63)).toEqual(
      rowsOf(
        range(0, 64).filter((seq) => seq !== 5),
        0,
      ),
    );
  });

  it('stores no removal of what is not there', () => {
    const shelf = new RecordShelf();
    shelf.write([5], 0);
    shelf.write([], 0, [5]);
    shelf.write([9], 0);
    shelf.write([], 0, [5, 6]);
    expect(shelf.size()).toBe(1);
  });

  it('numbers by the clock, and upwards when the clock was set back', () => {
    const shelf = new RecordShelf();
    shelf.write([0], 0, [], 1000);
    shelf.write([1], 0, [], 500);
    shelf.write([2], 0, [], 2000);
    expect([...shelf.records.keys()]).toEqual([1000, 1001, 2000]);
  });

  it('answers as a map does, whatever is written and whoever goes on with it', () => {
    const seqs = fc.oneof(
      fc.array(fc.nat(300), { maxLength: 20 }),
      fc
        .record({ from: fc.nat(1000), count: fc.nat(700) })
        .map(({ from, count }) => range(from, from + count)),
    );
    const step = fc.record({
      seqs,
      removed: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: seqs }),
      ms: fc.nat(100),
      isReloaded: fc.nat(9).map((chance) => chance === 0),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const shelf = new RecordShelf();
        const model = new Map<number, unknown>();
        for (const [version, { seqs: written, removed, ms, isReloaded }] of steps.entries()) {
          shelf.write(written, version, removed, ms);
          for (const { seq, row } of entriesOf(written, version)) model.set(seq, row);
          for (const seq of removed) model.delete(seq);
          if (isReloaded) shelf.reload();
          expect(shelf.rows()).toEqual([...model].sort(([a], [b]) => a - b).map(([, row]) => row));
        }
      }),
      { numRuns: 100 },
    );
  });
});
