import { existsSync, globSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, linksOf } from '../support/markdown.ts';

const root = path.resolve(import.meta.dirname, '../..');
const within = (pattern: string) =>
  globSync(pattern, { cwd: root, exclude: (name) => name === 'node_modules' }).toSorted();
/** What `npm run api` writes: its index stands for it. */
const isGenerated = (file: string) => /^docs\/api\/.+\//.test(file);

const docs = within('docs/**/*.md').filter((file) => !isGenerated(file));
const pages = [...within('*.md'), ...docs, ...within('examples/*/README.md')];

/** What is wrong with a link; undefined when it leads where it says. */
function faultOf(from: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [file = '', anchor] = target.split('#', 2);
  const full = file === '' ? path.join(root, from) : path.resolve(root, path.dirname(from), file);
  if (!existsSync(full)) return `${target}: there is no such file`;
  if (anchor === undefined || statSync(full).isDirectory() || !full.endsWith('.md'))
    return undefined;
  return anchorsOf(full).has(anchor) ? undefined : `${target}: there is no such heading`;
}

describe('the documentation', () => {
  it('lists every page in docs/README.md, or its folder', () => {
    const listed = new Set(
      linksOf(path.join(root, 'docs/README.md')).map((target) => path.join('docs', target)),
    );
    const isListed = (file: string) => listed.has(file) || listed.has(path.dirname(file));
    const missing = docs.filter((file) => file !== 'docs/README.md' && !isListed(file));
    expect(missing).toEqual([]);
  });

  it.each(pages)('leads somewhere by every link of %s', (page) => {
    const faults = linksOf(path.join(root, page)).map((target) => faultOf(page, target));
    expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
  });

  it('lists every example in docs/README.md', () => {
    const listed = linksOf(path.join(root, 'docs/README.md'));
    const examples = within('examples/*/README.md').map((file) => path.dirname(file));
    expect(examples).not.toEqual([]);
    for (const example of examples) expect(listed).toContain(`../${example}`);
  });
});
