import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'tsup';

const HASH_WORKER = path.join(import.meta.dirname, '../../src/hashing/hash-worker.ts');

/** A page of a bench and the hash worker beside it, each as one module. */
export interface PageScripts {
  readonly page: string;
  readonly worker: string;
}

/**
 * Bundles a bench's page: our sources as they are now, and everybody else's as it was published.
 *
 * @param entry the page's script
 * @param isReadable keeps the names of functions, for profiles
 */
export async function bundlePageScripts(entry: string, isReadable = false): Promise<PageScripts> {
  const outDir = await mkdtemp(path.join(tmpdir(), 'bulkhead-bench-'));
  try {
    await build({
      config: false,
      entry: { main: entry, 'hash-worker': HASH_WORKER },
      format: 'esm',
      splitting: false,
      platform: 'browser',
      target: 'es2022',
      outDir,
      outExtension: () => ({ js: '.js' }),
      clean: false,
      silent: true,
      minify: !isReadable,
      noExternal: [/.*/],
      env: { NODE_ENV: 'production' },
      esbuildOptions(options) {
        options.conditions = ['bulkhead-source'];
      },
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
