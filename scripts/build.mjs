/**
 * Builds the SDK, the server kit and the demo page, unless nothing changed since the last build.
 *
 *   node scripts/build.mjs [--force]
 */
import './on-node-24.mjs';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { finishTypes, writeIntegrity, writeLicences } from './built-extras.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = path.join(root, 'node_modules', '.cache', 'bulkhead-build');
const page = path.join(root, 'examples/demo/page');

const INPUTS = [
  'src',
  'server/src',
  'examples/demo/page',
  'package.json',
  'package-lock.json',
  'server/package.json',
  'tsup.config.ts',
  'tsconfig.json',
  'tsconfig.types.json',
  'tsconfig.testing-types.json',
  'server/tsconfig.types.json',
  'scripts/build.mjs',
  'scripts/built-extras.mjs',
];
const OUTPUTS = ['dist', 'server/dist', 'examples/demo/dist'];

/** What is unused breaks nothing: the type check proper complains, a build goes on. */
const UNCHECKED = ['--noUnusedLocals', 'false', '--noUnusedParameters', 'false'];

/** A step of the build failed; its output was printed. */
export class BuildError extends Error {
  name = 'BuildError';
}

/**
 * Builds what is stale. Throws a {@link BuildError} when a step fails.
 *
 * @param {{ force?: boolean }} [options]
 * @returns {Promise<boolean>} whether anything had to be built
 */
export async function build({ force = false } = {}) {
  // Taken before the build: what changes while it runs makes the next one stale.
  const inputs = fingerprint(INPUTS.flatMap(filesUnder), (file) => readFileSync(file));
  if (!force && read(stamp) === `${inputs} ${outputs()}`) return false;

  const startedMs = Date.now();
  process.stdout.write('Building … ');
  try {
    await run('tsup', ['--config', 'tsup.config.ts']);
    await run('tsc', ['-p', 'tsconfig.types.json', ...UNCHECKED]);
    // Apart, because it alone may use Node's types: in pages they would hide mistakes.
    await run('tsc', ['-p', 'tsconfig.testing-types.json', ...UNCHECKED]);
    await run('tsc', ['-p', 'server/tsconfig.types.json', ...UNCHECKED]);
  } catch (error) {
    console.log('failed');
    throw error;
  }
  copyPage();
  const dist = path.join(root, 'dist');
  finishTypes(dist);
  writeLicences(root, dist);
  const hashes = writeIntegrity(dist);
  for (const folder of OUTPUTS) removeLeftovers(path.join(root, folder), startedMs);

  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${inputs} ${outputs()}`);
  console.log(`${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
  for (const [name, hash] of Object.entries(hashes)) console.log(`  ${name} ${hash}`);
  return true;
}

/** What the demo page is made of besides its script. */
function copyPage() {
  if (!existsSync(page)) return;
  cpSync(page, path.join(root, 'examples/demo/dist'), {
    recursive: true,
    filter: (file) => !file.endsWith('.ts'),
  });
}

/** Every build writes every file it still makes, so what is older belongs to a source now gone. */
function removeLeftovers(folder, startedMs) {
  for (const file of filesUnder(path.relative(root, folder))) {
    // A file system may keep whole seconds only.
    if (statSync(file).mtimeMs < startedMs - 1000) rmSync(file);
  }
}

/** The state of the outputs: a build is also stale when someone removed or changed one. */
function outputs() {
  return fingerprint(OUTPUTS.flatMap(filesUnder), (file) => {
    const { size, mtimeMs } = statSync(file);
    return `${size} ${mtimeMs}`;
  });
}

function fingerprint(files, describe) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(describe(file)).update('\0');
  return hash.digest('hex');
}

/** All files at or below a path of the repository, sorted; none when it does not exist. */
function filesUnder(location) {
  const full = path.join(root, location);
  if (!existsSync(full)) return [];
  if (statSync(full).isFile()) return [full];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

/** Runs a tool of node_modules; quiet unless it fails. */
async function run(name, args) {
  const child = spawn(name, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) {
    throw new BuildError(`${name} ${args.join(' ')} failed:\n${output.trim()}`);
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  try {
    const built = await build({ force: process.argv.includes('--force') });
    if (!built) console.log('Nothing to build: everything is up to date');
  } catch (error) {
    console.error(error instanceof BuildError ? error.message : error);
    process.exitCode = 1;
  }
}
