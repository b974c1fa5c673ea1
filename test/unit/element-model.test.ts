import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Announcements } from '../../src/element/model/announcements.ts';
import { RankIndex } from '../../src/element/model/rank-index.ts';
import { ROW_FILTERS, RowBook } from '../../src/element/model/row-book.ts';
import { rowWindow, scrollTopFor } from '../../src/element/model/row-window.ts';
import { Thumbnails } from '../../src/element/model/thumbnails.ts';
import { createWorld, textFiles } from '../support/uploader-world.ts';

describe('the index of ranks', () => {
  it('agrees with a sorted list, whatever is put in and taken out', () => {
    const change = fc.tuple(fc.boolean(), fc.nat(5_000));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
        const index = new RankIndex(2);
        const model = new Set<number>();
        for (const [isAdded, value] of changes) {
          if (isAdded) index.add(value);
          else index.delete(value);
          if (isAdded) model.add(value);
          else model.delete(value);
        }
        const sorted = [...model].sort((a, b) => a - b);
        expect(index.size).toBe(sorted.length);
        expect(sorted.map((_, rank) => index.at(rank))).toEqual(sorted);
        expect(sorted.map((value) => index.rankOf(value))).toEqual(sorted.map((_, rank) => rank));
        expect(index.at(sorted.length)).toBeUndefined();
        expect(index.at(-1)).toBeUndefined();
      }),
    );
  });
});

describe('the book of rows', () => {
  it('has every upload in every filter at its place, while uploads go their way', async () => {
    const world = createWorld();
    const book = new RowBook(world.uploader);
    const check = () => {
      const groups: Record<string, string[]> = { all: [], active: [], done: [], failed: [] };
      for (const { id, status } of world.uploader.uploads()) {
        groups.all?.push(id);
        if (status === 'searchable' || status === 'duplicate') groups.done?.push(id);
        else if (['dead', 'rejected', 'processing-failed'].includes(status))
          groups.failed?.push(id);
        else if (status !== 'cancelled') groups.active?.push(id);
      }
      for (const filter of ROW_FILTERS) {
        const ids = groups[filter] ?? [];
        expect(book.count(filter)).toBe(ids.length);
        expect(ids.map((_, at) => book.at(filter, at))).toEqual(ids);
        expect(ids.map((id) => book.indexOf(filter, id))).toEqual(ids.map((_, at) => at));
      }
    };
    let checks = 0;
    world.uploader.subscribe(() => {
      checks += 1;
      check();
    });
    await world.uploader.add([...textFiles(120), new File([], 'empty.txt')]);
    await world.finish();
    world.uploader.deadLetters.clear();
    check();
    expect(checks).toBeGreaterThan(3);
    expect(book.count('done')).toBe(120);
    expect(book.indexOf('failed', 'nobody')).toBe(-1);
    book.dispose();
  });
});

describe('the window of rows', () => {
  const view = { scrollTop: 0, height: 400, rowHeight: 50, count: 100_000 };

  it('is what can be seen and six rows around it', () => {
    expect(rowWindow(view)).toEqual({ first: 0, end: 14 });
    expect(rowWindow({ ...view, scrollTop: 5_000 })).toEqual({ first: 94, end: 114 });
    expect(rowWindow({ ...view, scrollTop: 4_999_600 })).toEqual({ first: 99_986, end: 100_000 });
  });

  it('stays full when rows went while it was scrolled to the end', () => {
    expect(rowWindow({ ...view, scrollTop: 5_000, count: 20 })).toEqual({ first: 6, end: 20 });
  });

  it('is empty without rows, and bounded however high it claims to be', () => {
    expect(rowWindow({ ...view, count: 0 })).toEqual({ first: 0, end: 0 });
    const { first, end } = rowWindow({ ...view, height: 1e9 });
    expect(end - first).toBeLessThanOrEqual(120);
  });

  it('scrolls as little as shows a row', () => {
    expect(scrollTopFor(3, view)).toBe(0);
    expect(scrollTopFor(10, view)).toBe(150);
    expect(scrollTopFor(3, { ...view, scrollTop: 1_000 })).toBe(150);
  });
});

describe('announcements', () => {
  const progress = (words: string) => ({ key: 'uploading', words, isUrgent: false });

  it('say progress every twenty seconds, however often it changes', () => {
    const announcements = new Announcements();
    const said: [number, string][] = [];
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 100) {
      const { say } = announcements.consider(progress(`${nowMs}`), nowMs);
      if (say !== null) said.push([nowMs, say]);
    }
    expect(said.map(([atMs]) => atMs)).toEqual([0, 20_000, 40_000, 60_000]);
  });

  it('say what a person has to know within a second, and of several things only the last', () => {
    const announcements = new Announcements();
    announcements.consider(progress('1 of 9'), 0);
    const paused = { key: 'paused', words: 'Paused.', isUrgent: true };
    expect(announcements.consider(paused, 200)).toEqual({ say: null, againInMs: 800 });
    const done = { key: 'done', words: 'All there.', isUrgent: true };
    expect(announcements.consider(done, 400)).toEqual({ say: null, againInMs: 600 });
    expect(announcements.consider(done, 1_000)).toEqual({ say: 'All there.', againInMs: null });
    expect(announcements.consider(done, 5_000)).toEqual({ say: null, againInMs: null });
  });

  it('do not flood while a limit holds the lane again and again', () => {
    const announcements = new Announcements();
    const limited = { key: 'waiting:rate_limit', words: 'Upload rate limited.', isUrgent: false };
    let said = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 500) {
      const isLimited = Math.floor(nowMs / 1_000) % 2 === 0;
      const situation = isLimited ? limited : progress(`${nowMs}`);
      if (announcements.consider(situation, nowMs).say !== null) said += 1;
    }
    expect(said).toBeLessThanOrEqual(6);
  });

  it('say the same sentence again when something else was between', () => {
    const announcements = new Announcements();
    const paused = { key: 'paused', words: 'Paused.', isUrgent: true };
    expect(announcements.consider(paused, 0).say).toBe('Paused.');
    expect(announcements.consider(progress('2 of 9'), 2_000).say).toBe('2 of 9');
    expect(announcements.consider(paused, 4_000).say).toBe('Paused.');
  });
});

describe('thumbnails', () => {
  it('are at most 64 local files at once, each revoked when its row goes', async () => {
    const world = createWorld({}, { autoStart: false });
    const files = Array.from(
      { length: 80 },
      (_, at) => new File([`${at}`], `p${at}.png`, { type: 'image/png' }),
    );
    await world.uploader.add(files);
    const open = new Set<string>();
    const thumbnails = new Thumbnails(world.uploader, {
      create: () => {
        const url = `blob:${open.size}-${Math.trunc(performance.now() * 1e3)}`;
        open.add(url);
        return url;
      },
      revoke: (url) => void open.delete(url),
    });
    const uploads = [...world.uploader.uploads()];
    for (const upload of uploads) thumbnails.openLocal(upload);
    expect(thumbnails.openCount).toBe(64);
    thumbnails.release(uploads[0]?.id ?? '');
    expect(thumbnails.openCount).toBe(63);
    thumbnails.dispose();
    expect(open.size).toBe(0);
    world.uploader.destroy();
  });

  it('are not made of what no browser draws', async () => {
    const world = createWorld({}, { autoStart: false });
    await world.uploader.add([new File(['x'], 'scan.tiff', { type: 'image/tiff' })]);
    const thumbnails = new Thumbnails(world.uploader, { create: () => 'blob:x', revoke: () => {} });
    for (const upload of world.uploader.uploads()) {
      expect(thumbnails.openLocal(upload)).toBeUndefined();
    }
    world.uploader.destroy();
  });
});
