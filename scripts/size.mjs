/**
 * What each entry weighs in a page: bundled as an app's bundler would (esbuild, minified, split, tree-shaken), gzipped.
 *
 *   npm run size              the table, and what the core consists of
 *   npm run size -- --readme  writes the budgets into README.md
 *
 * Budgets are in size-budgets.json; a test holds them, and the README's table.
 */
import './on-node-24.mjs';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = path.join(root, 'README.md');
const README_TABLE = /(<!-- sizes:begin -->\n)[\s\S]*?(<!-- sizes:end -->)/;

/** @type {{ what: string, budgetKiB: number, goalKiB?: number, aloneBudgetKiB?: number }[]} */
export const BUDGETS = JSON.parse(
  readFileSync(path.join(root, 'scripts/size-budgets.json'), 'utf8'),
);

const WORKER = 'src/hashing/hash-worker.ts';
const ENTRIES = new Set(['entry.js', WORKER]);
const CORE = `export { createUploader } from './src/index.ts';`;
const BOTH = `export { bulkheadAdapter, createUploader } from './src/index.ts';`;
/**
 * The entries of adapters, in the budgets' order. Each is measured beside the core and `bulkheadAdapter`: what one
 * more adapter costs. Alone beside the core it is larger by the PUT, which it then brings itself.
 */
const ADAPTERS = [
  ['s3', 's3PresignedAdapter'],
  ['s3', 's3TemporaryCredentialsAdapter'],
  ['vercel-blob-adapter', 'vercelBlobAdapter'],
  ['tus-adapter', 'tusAdapter'],
  ['form-post-adapter', 'formPostAdapter'],
  ['rollout', 'withRollout'],
];
/** What the four libraries weigh before a line of the package's own: schemas of few kinds, nothing else. */
const LIBRARIES = `
  import * as z from 'zod/mini';
  export { default as ky } from 'ky';
  export { default as PQueue } from 'p-queue';
  export { openDB } from 'idb';
  const kinds = [z.string(), z.number(), z.array(z.string()), z.optional(z.string()), z.record(z.string(), z.string())];
  export const schema = z.strictObject({ kinds: z.union([z.literal('a'), z.enum(['b']), ...kinds]) });
`;
const REACT = `${BOTH} export * from './src/react/index.ts';`;

/**
 * @typedef {object} Bundle
 * @property {number} eagerKiB gzipped: what a page waits for
 * @property {Record<string, number>} lazyKiB gzipped, by the module that is loaded when it is needed, with what it
 *   imports and the page does not have
 * @property {string[]} files that a page waits for
 * @property {Record<string, number>} parts minified KB of what a page waits for, by package or folder
 */

/** @returns {Promise<Bundle>} */
async function bundle(contents, options = {}) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    stdin: { contents, resolveDir: root, sourcefile: 'entry.js' },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: ['bulkhead-source'],
    external: ['react'],
    // That a script tag's bundle has no import.meta is known: the build replaces what asks for it.
    logLevel: 'error',
    outdir: 'out',
    metafile: true,
    write: false,
    ...options,
  });
  const bytesOf = new Map(
    outputFiles.map((file) => [path.relative(root, file.path), file.contents]),
  );
  const kiB = (name) => gzipSync(bytesOf.get(name), { level: 9 }).length / 1024;
  const { outputs } = metafile;
  /** A module and all that it imports, but for what is there. */
  const loadedWith = (first, present = new Set()) => {
    const found = new Set();
    const walk = (name) => {
      if (present.has(name) || found.has(name)) return;
      found.add(name);
      for (const { path: target, kind, external } of outputs[name].imports) {
        if (kind === 'import-statement' && !external) walk(target);
      }
    };
    walk(first);
    return found;
  };
  const sizeOf = (names) => [...names].reduce((sum, name) => sum + kiB(name), 0);
  const [entry] = Object.keys(outputs).filter((name) => ENTRIES.has(outputs[name].entryPoint));
  const eager = loadedWith(entry);
  const lazy = Object.keys(outputs).filter((name) => outputs[name].entryPoint && !eager.has(name));
  const inputs = [...eager].flatMap((name) => Object.entries(outputs[name].inputs));
  return {
    eagerKiB: sizeOf(eager),
    lazyKiB: Object.fromEntries(
      lazy.map((name) => [outputs[name].entryPoint, sizeOf(loadedWith(name, eager))]),
    ),
    files: inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file),
    parts: partsOf(inputs),
  };
}

function partsOf(inputs) {
  const parts = {};
  for (const [file, { bytesInOutput }] of inputs) {
    const [, owner] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file) ?? [];
    const part = owner ?? path.posix.dirname(file).split('/').slice(0, 3).join('/');
    parts[part] = (parts[part] ?? 0) + bytesInOutput / 1000;
  }
  return parts;
}

/**
 * Measures every line of the budgets, in their order; an adapter has two.
 *
 * @returns {Promise<{
 *   sizes: { what: string, budgetKiB: number, goalKiB?: number, kiB: number }[],
 *   core: Bundle,
 *   adapters: Record<string, Bundle>,
 * }>} `core` and `adapters` with `bulkheadAdapter`
 */
export async function measure() {
  const whole = { splitting: false };
  const [core, both, libraries, react, element, worker, tag] = await Promise.all([
    bundle(CORE),
    bundle(BOTH),
    bundle(LIBRARIES),
    bundle(REACT),
    bundle(`${BOTH} export * from './src/element/index.ts';`),
    bundle('', { ...whole, stdin: undefined, entryPoints: [WORKER] }),
    bundle(`export * from './src/index.ts';`, { ...whole, format: 'iife', globalName: 'Bulkhead' }),
  ]);
  const besides = (base) =>
    Promise.all(
      ADAPTERS.map(([file, name]) =>
        bundle(`${base} export { ${name} } from './src/transports/${file}.ts';`),
      ),
    );
  const [alone, adapters] = await Promise.all([besides(CORE), besides(BOTH)]);
  // The journal is loaded by itself, and always: whoever resumes cannot do without it.
  const journalKiB = both.lazyKiB['src/storage/indexed-db-journal.ts'] ?? 0;
  const figures = [
    both.eagerKiB + journalKiB,
    both.eagerKiB,
    libraries.eagerKiB,
    both.eagerKiB - core.eagerKiB,
    react.eagerKiB - both.eagerKiB,
    ...adapters.map(({ eagerKiB }) => eagerKiB - both.eagerKiB),
    element.eagerKiB - both.eagerKiB,
    worker.eagerKiB,
    tag.eagerKiB,
  ];
  const aloneKiB = alone.map(({ eagerKiB }) => eagerKiB - core.eagerKiB);
  const sizes = BUDGETS.flatMap(({ aloneBudgetKiB, ...line }, at) => {
    const sized = { ...line, kiB: figures[at] };
    if (aloneBudgetKiB === undefined) return [sized];
    const what = line.what.replace('beside both', 'as the only adapter');
    return [sized, { what, budgetKiB: aloneBudgetKiB, kiB: aloneKiB.shift() }];
  });
  const names = ADAPTERS.map(([, name], at) => [name, adapters[at]]);
  return { sizes, core: both, adapters: Object.fromEntries(names) };
}

const quoted = (kiB) => (kiB === undefined ? '' : `${kiB} KiB`);

/** The budgets as README.md quotes them. */
export function budgetTable() {
  const rows = BUDGETS.map(
    ({ what, budgetKiB, goalKiB, aloneBudgetKiB }) =>
      `| ${what} | ${quoted(budgetKiB)} | ${quoted(goalKiB)} | ${quoted(aloneBudgetKiB)} |`,
  );
  const head = '| gzipped, at most | budget | goal | as the only adapter |';
  return [head, '|---|---|---|---|', ...rows].join('\n');
}

/** What README.md quotes; undefined without the marks. */
export function quotedTable() {
  return README_TABLE.exec(readFileSync(readme, 'utf8'))?.[0].split('\n').slice(1, -1).join('\n');
}

async function print() {
  const { sizes, core, adapters } = await measure();
  const number = (value) => (value === undefined ? '' : value.toFixed(1)).padStart(8);
  console.log(
    `${'gzipped KiB'.padEnd(54)}${'is'.padStart(8)}${'budget'.padStart(8)}${'goal'.padStart(8)}`,
  );
  for (const { what, kiB, budgetKiB, goalKiB } of sizes) {
    const mark = kiB > budgetKiB ? '  too large' : '';
    console.log(`${what.padEnd(54)}${number(kiB)}${number(budgetKiB)}${number(goalKiB)}${mark}`);
  }
  console.log('\nloaded when it is needed');
  const lazy = Object.assign({}, ...Object.values(adapters).map(({ lazyKiB }) => lazyKiB));
  for (const [file, kiB] of Object.entries({ ...lazy, ...core.lazyKiB }))
    console.log(`${file.padEnd(54)}${number(kiB)}`);
  console.log('\nwhat a page waits for, minified KB before gzip');
  const parts = Object.entries(core.parts).sort(([, one], [, other]) => other - one);
  for (const [part, kB] of parts) if (kB >= 0.1) console.log(`${part.padEnd(54)}${number(kB)}`);
  if (sizes.some(({ kiB, budgetKiB }) => kiB > budgetKiB)) process.exitCode = 1;
}

if (import.meta.main) {
  if (process.argv.includes('--readme')) {
    const text = readFileSync(readme, 'utf8');
    writeFileSync(readme, text.replace(README_TABLE, `$1${budgetTable()}\n$2`));
  }
  await print();
}
