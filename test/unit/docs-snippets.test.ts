import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocks } from '../support/markdown.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** The kit's own words for a package that has no types. */
const UNTYPED = path.join(ROOT, 'server/src/images/heic-decode.d.ts');
/** The compiler on a busy machine. */
const TSC_MS = 120_000;
const PAGES = ['recipes', 'troubleshooting', 'errors', 'concepts'];

/** What the pages take for granted: an uploader, an adapter, and an application around them. */
const WORLD = `
declare const uploader: import('bulkhead').Uploader;
declare const adapter: import('bulkhead').UploadAdapter;
declare const user: { readonly id: string };
declare const files: FileList;
declare const zone: HTMLElement;
declare function show(...words: unknown[]): void;
declare function report(...words: unknown[]): void;
declare function showButton(label: string, onClick: () => unknown): void;
declare function download(name: string, text: string): void;
declare function sessionOf(cookie: string | null): Promise<{ readonly userId: string } | undefined>;
declare function freshToken(): Promise<string>;
declare function signInAgain(): Promise<void>;
`;

let dir: string;

beforeAll(async () => {
  // Below the repository, so that the packages are found.
  await mkdir(path.join(ROOT, 'node_modules/.cache'), { recursive: true });
  dir = await mkdtemp(path.join(ROOT, 'node_modules/.cache/docs-snippets-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** What the compiler says of these snippets, by page and line. */
async function check(pages: readonly string[]): Promise<string[]> {
  await writeFile(path.join(dir, 'world.d.ts'), WORLD);
  const base = JSON.parse(await readFile(path.join(ROOT, 'tsconfig.json'), 'utf8'));
  const compilerOptions = {
    ...base.compilerOptions,
    noUnusedLocals: false,
    typeRoots: [path.join(ROOT, 'node_modules/@types')],
  };
  await writeFile(
    path.join(dir, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, include: ['*.ts'], exclude: [], files: [UNTYPED] }),
  );
  let count = 0;
  for (const page of pages) {
    for (const { language, code, line } of codeBlocks(path.join(ROOT, `docs/${page}.md`))) {
      if (language !== 'ts') continue;
      await writeFile(path.join(dir, `${page}-line-${line}.ts`), `${code}\nexport {};\n`);
      count += 1;
    }
  }
  expect(count).toBeGreaterThan(0);
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const run = promisify(execFile)(process.execPath, [tsc, '-p', dir, '--pretty', 'false']);
  const { stdout } = await run.catch((error: { stdout: string }) => error);
  return stdout.split('\n').filter((line) => line.includes('error TS'));
}

describe('the code in the documentation', () => {
  it(
    `of ${PAGES.join(', ')} fits the types of the packages`,
    async () => {
      expect(await check(PAGES)).toEqual([]);
    },
    TSC_MS,
  );

  it.each([
    ['html', 'index.html'],
    ['js', 'bulkhead.config.mjs'],
  ])('of getting-started: its %s is what examples/getting-started runs', async (language, name) => {
    const [block] = codeBlocks(path.join(ROOT, 'docs/getting-started.md')).filter(
      (candidate) => candidate.language === language,
    );
    const file = path.join(ROOT, 'examples/getting-started', name);
    expect(block?.code).toBe(await readFile(file, 'utf8'));
  });
});
