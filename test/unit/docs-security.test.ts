import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testTitles } from '../support/test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const rows = read('docs/server/security.md')
  .split('\n')
  .filter((line) => line.startsWith('| <a id='))
  .map((row) => ({
    number: Number(/^\| <a id="t(\d+)"/.exec(row)?.[1]),
    tests: row.split(' | ')[2]?.replace(/ \|$/, '').split('<br>') ?? [],
  }));

/** Every file of the server's tests, by its path in the repository. */
const testFiles = readdirSync(join(root, 'server/test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `server/test/${file}`);

describe('docs/server/security.md', () => {
  it('has every threat once', () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 34 }, (_, at) => at + 1));
  });

  it('names only tests that exist and run, in the files that have them', () => {
    for (const { number, tests } of rows) {
      expect(tests.length).toBeGreaterThan(0);
      for (const test of tests) {
        const [, file = '', title = ''] =
          /^\[[^\]]+\]\(\.\.\/\.\.\/([^)]+)\): (.+)$/.exec(test) ?? [];
        expect(existsSync(join(root, file)), `T${number}: ${test}`).toBe(true);
        expect([...testTitles(read(file))], `T${number}: ${test}`).toContain(title);
      }
    }
  });

  it('names every test that calls itself the test of a threat', () => {
    const listed = new Set(rows.flatMap(({ tests }) => tests.map((test) => test.split('): ')[1])));
    for (const file of testFiles) {
      const titles = /(?<!describe\()'((?:T\d+, )*T\d+: [^'\n]+|[^'\n]+ \((?:\d+, )?T\d+\))'/g;
      for (const [, title = ''] of read(file).matchAll(titles)) {
        expect(listed, `${file}: ${title}`).toContain(title);
      }
    }
  });
});
