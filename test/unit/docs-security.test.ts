import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const rows = read('docs/server/security.md')
  .split('\n')
  .filter((line) => line.startsWith('| <a id='))
  .map((row) => ({
    number: Number(/^\| <a id="t(\d+)"/.exec(row)?.[1]),
    tests: row.split(' | ')[2]?.replace(/ \|$/, '').split('<br>') ?? [],
  }));

/** Those whose control belongs to a part that is not there yet. */
const UNTESTED = [28];

describe('docs/server/security.md', () => {
  it('has every threat once', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 33 }, (_, at) => at + 1));
  });

  it('names only tests that exist, in the files that have them', () => {
    for (const { number, tests } of rows) {
      if (UNTESTED.includes(number)) {
        expect(tests).toEqual(['none yet']);
        continue;
      }
      expect(tests.length).toBeGreaterThan(0);
      for (const test of tests) {
        const [, file = '', title = ''] =
          /^\[[^\]]+\]\(\.\.\/\.\.\/([^)]+)\): (.+)$/.exec(test) ?? [];
        expect(existsSync(join(root, file)), `T${number}: ${test}`).toBe(true);
        expect(read(file), `T${number}: ${test}`).toContain(`'${title}'`);
      }
    }
  });

  it('names every test that calls itself the test of a threat', () => {
    const listed = new Set(rows.flatMap(({ tests }) => tests.map((test) => test.split('): ')[1])));
    for (const file of ['threats', 'cron', 'dead-letters']) {
      const source = read(`server/test/${file}.db.test.ts`);
      for (const [, title = ''] of source.matchAll(/test\(\s*'(T\d+: [^']+)'/g)) {
        expect(listed, title).toContain(title);
      }
    }
  });
});
