import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Options } from 'tsup';

interface Manifest {
  exports: Record<string, string | { 'bulkhead-source'?: string }>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
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

/** The hash worker is built apart, and what starts it names the built script. */
const WORKER = 'src/hashing/hash-worker.ts';
type Plugin = NonNullable<Options['esbuildPlugins']>[number];

/** Builds `own-worker.ts` with some of its words replaced. */
function ownWorkerWith(words: string, replacement: string): Plugin {
  return {
    name: 'own-worker',
    setup(build) {
      build.onLoad({ filter: /[\\/]hashing[\\/]own-worker\.ts$/ }, ({ path }) => ({
        contents: readFileSync(path, 'utf8').replace(words, replacement),
        loader: 'ts',
      }));
    },
  };
}

/** In modules: `new URL('./hash-worker.js', import.meta.url)`, as users' bundlers look for it. */
const workerOfModule = ownWorkerWith('./hash-worker.ts', './hash-worker.js');

/** CommonJS has no `import.meta`: there the page hashes, or the worker that `workerUrl` names. */
const noWorker = ownWorkerWith('import.meta.url', 'undefined');

/** In the script of a `<script>` tag, which has no `import.meta`: beside that script. */
const workerOfScriptTag: Plugin = {
  name: 'worker-of-script-tag',
  setup(build) {
    build.onResolve({ filter: /\/own-worker\.ts$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace('own-worker.ts', 'own-worker.script-tag.ts')),
    }));
  },
};

/** One file that imports nothing: no bundler and no server can tear it apart. */
function worker(outDir: string): Options {
  return {
    ...shared,
    entry: { 'hash-worker': WORKER },
    format: 'esm',
    splitting: false,
    platform: 'browser',
    target: 'es2022',
    minify: true,
    noExternal: [/.*/],
    // Tells scripts/built-extras.mjs whose code is in it.
    metafile: outDir === 'dist',
    outDir,
  };
}

/** Everything in one file, for a `<script>` tag. */
function scriptTag(name: string, source: string, globalName: string, metafile = false): Options {
  return {
    ...shared,
    entry: { [name]: source },
    format: 'iife',
    globalName,
    platform: 'browser',
    target: 'es2022',
    minify: true,
    noExternal: [/.*/],
    esbuildPlugins: [workerOfScriptTag],
    metafile,
    outDir: 'dist',
  };
}

const sdk = manifestOf('./');
const server = manifestOf('./server/');
const page = 'examples/demo/page/main.ts';

/** The one entry of the SDK that runs in Node only: `node:` imports must stay as they are. */
const NODE_ENTRY = 'testing/index';
const { [NODE_ENTRY]: testing = '', ...browserEntries } = entriesOf(sdk, './');

export default defineConfig([
  ...(['esm', 'cjs'] as const).map(
    (format): Options => ({
      ...shared,
      entry: browserEntries,
      format,
      splitting: true,
      platform: 'browser',
      target: 'es2022',
      esbuildPlugins: [format === 'esm' ? workerOfModule : noWorker],
      outDir: 'dist',
    }),
  ),
  worker('dist'),
  {
    ...shared,
    entry: { [NODE_ENTRY]: testing },
    format: ['esm', 'cjs'],
    platform: 'node',
    target: 'node20',
    outDir: 'dist',
  },
  scriptTag('bulkhead', 'src/index.ts', 'Bulkhead'),
  // Both write their metafile under one name: this one has every package of the other.
  scriptTag('bulkhead-element', 'src/element/index.ts', 'BulkheadElement', true),
  {
    ...shared,
    // The decoder's children run a script of its own, beside what starts them.
    entry: {
      ...entriesOf(server, './server/'),
      'decoder-child': 'server/src/images/decoder-child.ts',
      'cli/bulkhead-server': 'server/src/cli/bulkhead-server.ts',
    },
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: Object.keys({ ...server.dependencies, ...server.peerDependencies }),
    outDir: 'server/dist',
  },
  ...(existsSync(page)
    ? [
        {
          ...shared,
          entry: { main: page },
          format: 'esm',
          splitting: false,
          platform: 'browser',
          target: 'es2022',
          minify: true,
          noExternal: [/.*/],
          esbuildPlugins: [workerOfModule],
          esbuildOptions(options) {
            options.conditions = ['bulkhead-source'];
          },
          outDir: 'examples/demo/dist',
        } satisfies Options,
        worker('examples/demo/dist'),
      ]
    : []),
]);
