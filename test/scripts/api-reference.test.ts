import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import sdk from '../../package.json' with { type: 'json' };
import { writeApiReference } from '../../scripts/api/write.mjs';
import server from '../../server/package.json' with { type: 'json' };

const COMMITTED = path.resolve(import.meta.dirname, '../../docs/api');

async function pagesOf(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true });
  const pages = names.filter((name) => name.endsWith('.md')).sort();
  const texts = await Promise.all(pages.map((name) => readFile(path.join(folder, name), 'utf8')));
  return Object.fromEntries(pages.map((name, at) => [name, texts[at] ?? '']));
}

it('every entry of both packages has its page, of the name that is imported', async () => {
  const entries = [sdk, server].flatMap(({ name, exports }) =>
    Object.keys(exports)
      .filter((key) => key !== './package.json')
      .map((key) => path.posix.join(name, key)),
  );
  const pages = Object.keys(await pagesOf(COMMITTED));
  expect(pages.sort()).toEqual(['README.md', ...entries.map((entry) => `${entry}.md`)].sort());
});

it('docs/api is what JSDoc says now; `npm run docs:api` writes it', {
  timeout: 120_000,
}, async () => {
  const out = await mkdtemp(path.join(tmpdir(), 'bulkhead-api-'));
  try {
    await writeApiReference(out);
    expect(await pagesOf(COMMITTED)).toEqual(await pagesOf(out));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});
