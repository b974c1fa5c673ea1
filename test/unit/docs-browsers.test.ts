import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENGINE_SUPPORT } from '../support/engine-support.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const page = read('docs/browsers.md');

describe('docs/browsers.md', () => {
  const rows = new Map(
    page
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(([, name = '', ...cells]) => [name, cells.slice(0, 3)]),
  );

  it.each(Object.entries(ENGINE_SUPPORT))('says of each engine what was tried: %s', (name, has) => {
    const cells = [has.chromium, has.firefox, has.webkit].map((yes) => (yes ? 'yes' : 'no'));
    expect(rows.get(name)).toEqual(cells);
  });

  it('names only tests that exist', () => {
    const named = Array.from(
      page.matchAll(/`((?:test|server)\/[\w/.-]+\.tsx?)`/g),
      ([, path]) => path,
    );
    expect(named.length).toBeGreaterThan(10);
    for (const path of named) expect(existsSync(join(root, path ?? '')), path).toBe(true);
  });

  it('is linked from docs/resume.md', () => {
    expect(read('docs/resume.md')).toContain('(browsers.md)');
  });
});
