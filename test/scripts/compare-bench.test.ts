import { describe, expect, it } from 'vitest';
import type { Run, SetRuns } from '../../bench/compare/compare-run.ts';
import { standingsOf, verdictsOf } from '../../bench/compare/judge.ts';
import type { Outcome } from '../../bench/compare/one-run.ts';
import { CompareOptionError, parseCompareOptions } from '../../bench/compare/options.ts';
import { FormCounter, FormError, type FormField } from '../../bench/compare/server/form-counter.ts';

describe('the command line of the comparison', () => {
  it('measures everything by both protocols when nothing is said', () => {
    expect(parseCompareOptions([])).toMatchObject({
      protocols: ['h1', 'h2'],
      sets: ['photos', 'small', 'large', 'distant'],
      rounds: 3,
      limitMs: 180_000,
    });
  });

  it('takes groups of clients, and each client once', () => {
    const options = parseCompareOptions(['--clients', 'loop-hash,loops,ours']);
    expect(options?.clients).toEqual(['ours', 'loop-each', 'loop-batch', 'loop-hash', 'loop-form']);
  });

  it.each([
    [['--clients', 'fastest'], 'not "fastest"'],
    [['--set', 'huge'], '--set takes photos, small, large, distant, not "huge"'],
    [['--rounds', '0'], '--rounds takes whole numbers from 1 to 99, not "0"'],
    [['--protocol', 'h3'], '--protocol takes h1, h2, not "h3"'],
    [['--quick'], "Unknown option '--quick'"],
  ])('refuses %j and says why', (args, message) => {
    expect(() => parseCompareOptions(args)).toThrow(CompareOptionError);
    expect(() => parseCompareOptions(args)).toThrow(message);
  });
});

describe('the counter of forms', () => {
  const fields = async (form: FormData, chunkBytes: number): Promise<FormField[]> => {
    const request = new Request('http://localhost/', { method: 'POST', body: form });
    const body = Buffer.from(await request.arrayBuffer());
    const found: FormField[] = [];
    const type = request.headers.get('content-type') ?? '';
    const counter = new FormCounter(type, (field) => found.push(field));
    for (let at = 0; at < body.length; at += chunkBytes) {
      counter.push(body.subarray(at, at + chunkBytes));
    }
    counter.end();
    return found;
  };

  const form = new FormData();
  form.append('key', 'a name');
  form.append('file', new Blob(['\r\n--', 'x'.repeat(1_000), '\r\n-']), 'a.jpg');
  form.append('empty', new Blob([]), 'b.jpg');

  it.each([1, 7, 100, 1_000_000])('finds every field in chunks of %i bytes', async (chunkBytes) => {
    expect(await fields(form, chunkBytes)).toMatchObject([
      { name: 'key', filename: undefined, text: 'a name' },
      { name: 'file', filename: 'a.jpg', sizeBytes: 1_007, text: '' },
      { name: 'empty', filename: 'b.jpg', sizeBytes: 0 },
    ]);
  });

  it('does not take a form for whole whose end is missing', () => {
    const counter = new FormCounter('multipart/form-data; boundary=b', () => {});
    counter.push(Buffer.from('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf'));
    expect(() => counter.end()).toThrow(FormError);
  });

  it('refuses what is no form', () => {
    expect(() => new FormCounter('application/json', () => {})).toThrow(FormError);
  });
});

describe('the judgement of a set', () => {
  const finished = (totalMs: number): Outcome => ({
    status: 'finished',
    ...{ totalMs, longestTaskMs: 0, tasksOver50Ms: 0, heapBytes: 1 },
    ...{ requestsPerFile: 2, requests: {}, repeated: 0 },
  });
  const run = (client: Run['client'], round: number, outcome: Outcome, variant = 'v'): Run => ({
    ...{ client, round, outcome, variant },
  });
  const photos = (...runs: Run[]): SetRuns => ({
    set: { name: 'photos', title: 'photos', count: 100, sizeBytes: 1_000_000, delayMs: 0 },
    ...{ startedAt: '2026-01-01T00:00:00.000Z', rounds: 3, libraryRounds: 1, runs },
  });

  it('compares rounds with one another, so that what slowed one round slowed both', () => {
    const [verdict] = verdictsOf(
      photos(
        run('ours', 1, finished(1_000)),
        run('loop-hash', 1, finished(1_000)),
        run('ours', 2, finished(4_000)),
        run('loop-hash', 2, finished(4_400)),
        run('ours', 3, finished(1_000)),
        run('loop-hash', 3, finished(1_200)),
      ),
    );
    expect(verdict).toMatchObject({ ratio: 1.1, isMet: true, isAtLeast: false });
  });

  it('says at least how much slower a client is that did not finish', () => {
    const unfinished: Outcome = { status: 'unfinished', limitMs: 60_000, arrivedFiles: 7 };
    const [verdict] = verdictsOf(
      photos(run('ours', 1, finished(1_000)), run('uppy-golden', 1, unfinished)),
    );
    expect(verdict).toMatchObject({ ratio: 60, isAtLeast: true, isMet: true });
  });

  it('lets a client stand by its quickest configuration', () => {
    const [standing] = standingsOf(
      photos(
        run('uppy-s3', 1, finished(3_000), 'slow'),
        run('uppy-s3', 1, finished(2_000), 'quick'),
      ),
    );
    expect(standing).toMatchObject({ variant: 'quick', totalMs: 2_000, filesPerSecond: 50 });
  });

  it('promises nothing of a client that failed', () => {
    const failed: Outcome = { status: 'failed', reason: '3 files never arrived' };
    const measured = photos(run('ours', 1, failed), run('loop-hash', 1, finished(1)));
    expect(verdictsOf(measured)).toEqual([]);
    expect(standingsOf(measured)[0]?.trouble).toEqual(failed);
  });
});
