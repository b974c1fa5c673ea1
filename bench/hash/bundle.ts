import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'tsup';

export interface HashScripts {
  readonly page: string;
  readonly worker: string;
}

/** The bench's page and the hash worker, each as one script, of our sources as they are now. */
export async function bundleScripts(): Promise<HashScripts> {
  const outDir = await mkdtemp(path.join(tmpdir(), 'bulkhead-hash-'));
  try {
    await build({
      config: false,
      entry: {
        main: path.join(import.meta.dirname, 'page/main.ts'),
        'hash-worker': path.join(import.meta.dirname, '../../src/hashing/hash-worker.ts'),
      },
      format: 'esm',
      splitting: false,
      platform: 'browser',
      target: 'es2022',
      outDir,
      outExtension: () => ({ js: '.js' }),
      clean: false,
      silent: true,
      minify: true,
      noExternal: [/.*/],
    });
    const [page, worker] = await Promise.all(
      ['main.js', 'hash-worker.js'].map((name) => readFile(path.join(outDir, name), 'utf8')),
    );
    if (page === undefined || worker === undefined) throw new TypeError('A script is missing');
    // The sources name the worker by its source.
    return { page: page.replace('./hash-worker.ts', './hash-worker.js'), worker };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}
