import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testTitles } from '../support/test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Of the server's side; the client's are in docs/faults.md. */
const FAULTS = [57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 74];

const rows = read('docs/server/faults.md')
  .split('\n')
  .filter((line) => line.startsWith('| <a id='))
  .map((row) => {
    const cell = row.split(' | ')[2]?.replace(/ \|$/, '') ?? '';
    return {
      number: Number(/^\| <a id="(\d+)"/.exec(row)?.[1]),
      tests: cell.split('<br>').map((entry) => {
        const [, file = '', title = ''] =
          /^\[[^\]]+\]\(\.\.\/\.\.\/([^)]+)\): (.+)$/.exec(entry) ?? [];
        return { entry, file, title };
      }),
    };
  });

/** `<file>: <title>` of every test whose title has the number of a fault, before it or behind it. */
const numbered = readdirSync(join(root, 'server/test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `server/test/${file}`)
  .flatMap((file) => {
    const titles = /(?<!describe\()'(?:(\d\d): [^'\n]+|[^'\n]+ \((\d\d)(?:, T\d+)?\))'/g;
    return [...read(file).matchAll(titles)]
      .filter(([, before, behind]) => FAULTS.includes(Number(before ?? behind)))
      .map(([quoted]) => `${file}: ${quoted.slice(1, -1)}`);
  });

describe('docs/server/faults.md', () => {
  it('has every fault of the server once', () => {
    expect(rows.map(({ number }) => number)).toEqual(FAULTS);
  });

  it('names tests that exist and run, in the files that have them', () => {
    for (const { number, tests } of rows) {
      for (const { entry, file, title } of tests) {
        expect(file && existsSync(join(root, file)), `${number}: ${entry}`).toBe(true);
        expect([...testTitles(read(file))], `${number}: ${entry}`).toContain(title);
      }
    }
  });

  it('names every test that calls itself the test of such a fault', () => {
    const listed = rows.flatMap(({ tests }) => tests.map(({ file, title }) => `${file}: ${title}`));
    expect(numbered.length).toBeGreaterThan(0);
    expect(listed).toEqual(expect.arrayContaining(numbered));
  });
});
