import { existsSync, readFileSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

interface Manifest {
  exports: Record<string, string | { 'bulkhead-source'?: string }>;
  dependencies?: Record<string, string>;
}

/** A package's entries, by output name without extension: the sources its exports map names. */
function entriesOf(manifest: Manifest, folder: string): Record<string, string> {
  const sources = Object.values(manifest.exports).flatMap((target) =>
    typeof target === 'object' && target['bulkhead-source'] ? [target['bulkhead-source']] : [],
  );
  return Object.fromEntries(
    sources.map((source) => [
      source.replace(/^\.\/src\//, '').replace(/\.ts$/, ''),
      `${folder}${source.slice(2)}`,
    ]),
  );
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(`${folder}package.json`, 'utf8'));
}

// Nothing is cleaned: a reader of dist never finds it half there. scripts/build.mjs removes what
// is left over. Types come from tsc, because tsup's own need a compiler API TypeScript 7 lacks.
const shared = { clean: false, dts: false, sourcemap: true, silent: true } satisfies Options;

/** In bundles of everything: of hash-wasm's algorithms, 200 KB of them, the only one that is used. */
const alias = { 'hash-wasm': 'hash-wasm/dist/sha256.umd.min.js' };

const sdk = manifestOf('./');
const server = manifestOf('./server/');
const page = 'examples/demo/page/main.ts';

/** The one entry of the SDK that runs in Node only: `node:` imports must stay as they are. */
const NODE_ENTRY = 'testing/index';
const { [NODE_ENTRY]: testing = '', ...browserEntries } = entriesOf(sdk, './');

export default defineConfig([
  {
    ...shared,
    entry: browserEntries,
    format: ['esm', 'cjs'],
    splitting: true,
    platform: 'browser',
    target: 'es2022',
    outDir: 'dist',
  },
  {
    ...shared,
    entry: { [NODE_ENTRY]: testing },
    format: ['esm', 'cjs'],
    platform: 'node',
    target: 'node20',
    outDir: 'dist',
  },
  {
    ...shared,
    entry: { bulkhead: 'src/index.ts' },
    format: 'iife',
    globalName: 'Bulkhead',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    noExternal: [/.*/],
    esbuildOptions(options) {
      options.alias = alias;
    },
    outDir: 'dist',
  },
  {
    ...shared,
    entry: entriesOf(server, './server/'),
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: Object.keys(server.dependencies ?? {}),
    outDir: 'server/dist',
  },
  ...(existsSync(page)
    ? [
        {
          ...shared,
          entry: { main: page },
          format: 'esm',
          // A chunk of a UMD module has a default export only; inlined, its names are found.
          splitting: false,
          platform: 'browser',
          target: 'es2022',
          minify: true,
          noExternal: [/.*/],
          esbuildOptions(options) {
            options.alias = alias;
            options.conditions = ['bulkhead-source'];
          },
          outDir: 'examples/demo/dist',
        } satisfies Options,
      ]
    : []),
]);
