import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testTitles } from '../support/test-titles.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** `<file>: <title>` of every test of a fault, as the files have them. */
const tests = ['test/browser', 'test/unit', 'test/e2e'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((file) => /^faults-.*\.test\.ts$/.test(file))
    .flatMap((file) =>
      [...testTitles(read(`${folder}/${file}`))]
        .filter((title) => /^\d+: /.test(title))
        .map((title) => `${folder}/${file}: ${title}`),
    ),
);

/** The same, as the table has them. */
const rows = read('docs/faults.md')
  .split('\n')
  .filter((line) => line.startsWith('| <a id='));
const documented = rows.flatMap((row) => {
  const number = /^\| <a id="(\d+)"/.exec(row)?.[1];
  const cell = row.split('|')[3]?.trim() ?? '';
  return cell.split('<br>').map((entry) => {
    const [, file, title] = /^\[[^\]]+\]\(\.\.\/([^)]+)\): (.+)$/.exec(entry) ?? [];
    return `${file}: ${number}: ${title}`;
  });
});

describe('docs/faults.md', () => {
  it('names a test for every fault, and every test of a fault', () => {
    expect([...documented].sort()).toEqual([...tests].sort());
  });

  it('has every fault of the client once', () => {
    const range = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, at) => from + at);
    const numbers = rows.map((row) => Number(/id="(\d+)"/.exec(row)?.[1]));
    expect(numbers).toEqual([...range(1, 53), ...range(69, 71)]);
  });
});
