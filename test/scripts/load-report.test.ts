import { describe, expect, it } from 'vitest';
import { LoadOptionError, parseLoadOptions } from '../../bench/load/options.ts';
import { measureStages, percentiles } from '../../bench/load/stage-times.ts';
import { isExact, judgeLibrary, type LibraryVerdict } from '../../bench/load/verify-library.ts';

describe('the command line of a load run', () => {
  it('has defaults for everything', () => {
    expect(parseLoadOptions([])).toMatchObject({
      files: 200,
      size: '256k',
      scenarios: ['happy'],
    });
  });

  it.each([
    [['--files', '99'], '--files takes a whole number from 100 to 10000, not "99"'],
    [['--files', 'many'], 'not "many"'],
    [['--size', '2m'], '--size takes one of 256k, 1m, 5m, 10m, mixed, not "2m"'],
    [
      ['--scenario', 'sad'],
      '--scenario takes one of happy, offline, rate-limit, users, crash, server-kill, cluster, all',
    ],
    [['--fils', '100'], "Unknown option '--fils'"],
    [['100'], 'Unexpected argument'],
  ])('refuses %j and says why', (args, message) => {
    expect(() => parseLoadOptions(args)).toThrow(LoadOptionError);
    expect(() => parseLoadOptions(args)).toThrow(message);
  });

  it('allows more time for more and for larger files', () => {
    const timeout = (...args: string[]) => parseLoadOptions(args)?.timeoutMs ?? 0;
    expect(timeout('--files', '2000')).toBeGreaterThan(timeout('--files', '200'));
    expect(timeout('--size', '10m')).toBeGreaterThan(timeout('--size', '1m'));
    expect(timeout('--timeout', '5')).toBe(5000);
  });
});

describe('percentiles', () => {
  it('are values that occurred, by nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, at) => 100 - at);
    expect(percentiles(values)).toEqual({ count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
    expect(percentiles([7])).toEqual({ count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
    expect(percentiles([])).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
  });
});

describe('the stages of a file', () => {
  it('are the spans between its states, and those it never passed do not count', () => {
    const stages = measureStages([
      {
        id: 'whole',
        addedMs: 0,
        statusMs: {
          hashing: 10,
          hashed: 15,
          requesting: 20,
          ready: 40,
          uploading: 50,
          uploaded: 80,
          finalizing: 85,
          processing: 100,
          embedding: 300,
          searchable: 350,
        },
      },
      {
        id: 'packed',
        addedMs: 0,
        statusMs: { hashing: 0, hashed: 1, requesting: 1, ready: 2, uploading: 4, processing: 44 },
      },
      { id: 'stuck', addedMs: 0, statusMs: { hashing: 10, hashed: 20 } },
    ]);
    const first = Object.fromEntries(
      Object.entries(stages).map(([stage, { count, max }]) => [stage, [count, max]]),
    );
    expect(first).toEqual({
      hash: [3, 10],
      credential: [2, 20],
      put: [1, 30],
      finalize: [1, 20],
      pack: [1, 40],
      upload: [2, 75],
      processing: [1, 200],
      embedding: [1, 50],
      total: [1, 350],
    });
  });
});

describe('the verdict on a library', () => {
  const sources = ['a', 'b', 'c'].map((checksum) => ({
    path: `${checksum}.jpg`,
    sizeBytes: 1,
    checksum,
  }));
  const asset = (id: string, checksum: string, stage: 'searchable' | 'failed' = 'searchable') => ({
    id,
    checksum,
    stage,
  });
  const [a, b, c] = [asset('1', 'a'), asset('2', 'b'), asset('3', 'c')];
  const whole = [a, b, c];
  const stored = new Map([
    ['1', 'a'],
    ['2', 'b'],
    ['3', 'c'],
    ['4', 'a'],
    ['5', 'x'],
  ]);

  it('is exact when every source arrived once', () => {
    const verdict = judgeLibrary(whole, stored, sources, ['1', '1', '3']);
    expect(verdict.arrived).toBe(3);
    expect(isExact(verdict)).toBe(true);
  });

  it.each<[keyof LibraryVerdict, ReturnType<typeof asset>[], string[], number]>([
    ['missing', [b, c], ['a.jpg'], 2],
    ['repeated', [...whole, asset('4', 'a')], ['a.jpg'], 2],
    ['altered', [a, b, asset('5', 'c')], ['5'], 2],
    ['notSearchable', [a, b, asset('3', 'c', 'failed')], ['3'], 2],
    ['extra', [...whole, asset('5', 'x')], ['5'], 3],
  ])('names what is %s', (kind, assets, expected, arrived) => {
    const verdict = judgeLibrary(assets, stored, sources, []);
    expect(verdict[kind]).toEqual(expected);
    expect(verdict.arrived).toBe(arrived);
    expect(isExact(verdict)).toBe(false);
  });

  it('names what was acknowledged and then lost', () => {
    const verdict = judgeLibrary(whole, stored, sources, ['9']);
    expect(verdict.lost).toEqual(['9']);
    expect(isExact(verdict)).toBe(false);
  });
});
