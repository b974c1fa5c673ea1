import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** The compiler on a busy machine. */
const TSC_MS = 120_000;
const EXAMPLE = path.join(ROOT, 'examples/nextjs');

/**
 * Next.js has 300 MB and is no dependency of the repository: its own type, of one configuration file, stays
 * out. Everything else is checked against React and the packages as they are here.
 */
it(
  'examples/nextjs fits the types of bulkhead, the server kit and React',
  async () => {
    await mkdir(path.join(ROOT, 'node_modules/.cache'), { recursive: true });
    const dir = await mkdtemp(path.join(ROOT, 'node_modules/.cache/example-nextjs-'));
    try {
      const read = async (file: string) => JSON.parse(await readFile(file, 'utf8')).compilerOptions;
      const own = await read(path.join(EXAMPLE, 'tsconfig.json'));
      const { customConditions, allowImportingTsExtensions } = await read(
        path.join(ROOT, 'tsconfig.json'),
      );
      const config = {
        compilerOptions: {
          ...own,
          // The sources, as they are now. They import one another with their extension.
          ...{ customConditions, allowImportingTsExtensions, incremental: false, plugins: [] },
          ...{ types: ['node'], typeRoots: [path.join(ROOT, 'node_modules/@types')] },
        },
        include: ['app', 'lib'].map((folder) => `${EXAMPLE}/${folder}/**/*`),
        files: [path.join(ROOT, 'server/src/images/heic-decode.d.ts')],
      };
      await writeFile(path.join(dir, 'tsconfig.json'), JSON.stringify(config));
      const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
      const run = promisify(execFile)(process.execPath, [tsc, '-p', dir, '--pretty', 'false']);
      expect((await run.catch((error: { stdout: string }) => error)).stdout).toBe('');
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
  TSC_MS,
);
