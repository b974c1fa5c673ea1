import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'tsup';

/** The bench's page as one script: our sources as they are now, and Uppy as it was published. */
export async function bundlePage(): Promise<string> {
  const outDir = await mkdtemp(path.join(tmpdir(), 'bulkhead-intake-'));
  try {
    await build({
      config: false,
      entry: { main: path.join(import.meta.dirname, 'page/main.ts') },
      format: 'iife',
      platform: 'browser',
      target: 'es2022',
      outDir,
      outExtension: () => ({ js: '.js' }),
      clean: false,
      silent: true,
      minify: true,
      noExternal: [/.*/],
      env: { NODE_ENV: 'production' },
      esbuildOptions(options) {
        options.conditions = ['bulkhead-source'];
        // Of hash-wasm's algorithms the one that is used.
        options.alias = { 'hash-wasm': 'hash-wasm/dist/sha256.umd.min.js' };
      },
    });
    return await readFile(path.join(outDir, 'main.js'), 'utf8');
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}
