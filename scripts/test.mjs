/**
 * Every check, one after the other; a failing one does not keep the others from running. The last
 * line counts them: each test of Vitest, and one for each other step.
 *
 *   npm test                            everything
 *   npm test -- --only lint             one step: types, lint, build, vitest, load, load:kill
 *   npm test -- upload --project unit   Vitest alone, with its own filters and options
 */
import './on-node-24.mjs';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError, build } from './build.mjs';
import { findOrStartS3, s3Url } from './swift.mjs';
import { countsOf, filesWithFailures, MOST_FILES_AGAIN, secondTry } from './vitest-report.mjs';
import { findWebKit, WEBKIT_LEFT_OUT } from './webkit.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const load = ['bench/load/run.ts', '--size', '256k'];

const STEPS = {
  types: () => command('tsc', ['-p', 'tsconfig.json']),
  lint: () => command('biome', ['check', '.']),
  build: buildAll,
  vitest: (filters) => vitest(filters),
  load: () => command('node', [...load, '--files', '200']),
  'load:kill': () => command('node', [...load, '--files', '120', '--scenario', 'server-kill']),
};

const { names, filters } = chooseSteps(process.argv.slice(2));
const totals = { passed: 0, failed: 0, skipped: 0 };
const passedAgain = [];
let running;
let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    isInterrupted = true;
    // A terminal's Ctrl-C reaches every process by itself.
    if (signal === 'SIGTERM' || !process.stdin.isTTY) running?.kill(signal);
  });
}

for (const name of names) {
  if (isInterrupted) break;
  console.log(`\n▶ ${name}`);
  const startedMs = Date.now();
  const result = await STEPS[name](filters);
  for (const key of Object.keys(totals)) totals[key] += result[key] ?? 0;
  passedAgain.push(...(result.passedAgain ?? []));
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
  console.log(`${result.failed === 0 ? '✔' : '✘'} ${name} (${seconds} s)`);
}
if (isInterrupted) {
  totals.failed += 1;
  console.log('\nInterrupted: the rest was not run');
}

if (names.includes('vitest') && !findWebKit()) console.log(`\n${WEBKIT_LEFT_OUT}`);
for (const name of passedAgain) console.log(`\nFailed, then passed by itself: ${name}`);
const skipped = totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`;
console.log(`\n${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exitCode = totals.failed === 0 ? 0 : 1;

function chooseSteps(args) {
  const [first, name, ...rest] = args;
  if (first === undefined) return { names: Object.keys(STEPS), filters: [] };
  if (first !== '--only') return { names: ['vitest'], filters: args };
  if (!Object.hasOwn(STEPS, name ?? '')) {
    console.error(`--only takes one of: ${Object.keys(STEPS).join(', ')}`);
    process.exit(1);
  }
  return { names: [name], filters: rest };
}

async function buildAll() {
  try {
    if (!(await build())) console.log('Nothing to build: everything is up to date');
    return { passed: 1, failed: 0 };
  } catch (error) {
    console.log(error instanceof BuildError ? error.message : error);
    return { passed: 0, failed: 1 };
  }
}

async function command(name, args) {
  const code = await run(name, args);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** A whole run starts the S3 server once: a start takes 5 s of a processor, and seven would want one. */
async function vitest(filters) {
  if (filters.length > 0) return vitestWithRetry(filters);
  // What keeps it from starting is told by the tests that need it.
  const s3 = await findOrStartS3().catch(() => undefined);
  if (s3) process.env.BULKHEAD_TEST_S3 = s3Url(s3);
  try {
    return await vitestWithRetry(filters);
  } finally {
    await s3?.stop();
  }
}

/**
 * In a whole run, files with a failed test are run once more by themselves, as a full machine may be
 * all that was wrong. What passes then is counted and named: it wants to be looked into.
 */
async function vitestWithRetry(filters) {
  const first = await vitestOnce(filters);
  const files = filters.length === 0 ? filesWithFailures(first.report, root) : [];
  if (files.length === 0 || files.length > MOST_FILES_AGAIN || isInterrupted) return first.counts;
  console.log(`\n▶ vitest, once more by themselves: ${files.join(', ')}`);
  const again = await vitestOnce([...files, '--maxWorkers=1']);
  return secondTry(first, again);
}

/** Its own report for people; the counts come from its report for machines. */
async function vitestOnce(filters) {
  const folder = mkdtempSync(path.join(tmpdir(), 'bulkhead-test-'));
  const file = path.join(folder, 'vitest.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const code = await run('vitest', ['run', ...reporters, ...filters]);
    const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    return { report, counts: countsOf(report, code) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(name, args) {
  running = spawn(name, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  return new Promise((resolve) => {
    running.on('error', (error) => {
      console.log(error.message);
      resolve(1);
    });
    running.on('close', (code) => resolve(code ?? 1));
  });
}
