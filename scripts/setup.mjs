/**
 * Installs what is missing. Runs before `start`, `test` and `load`, on whatever Node started npm
 * (20 or newer), before anything is installed: Node built-ins only.
 *
 *   node scripts/setup.mjs             dependencies
 *   node scripts/setup.mjs --browser   and a Chromium, for whatever drives a page
 *   node scripts/setup.mjs --tests     and what else the tests need: Firefox, WebKitGTK, PostgreSQL, Redis, Swift
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium } from './chromium.mjs';
import { findFirefox } from './firefox.mjs';
import { findPostgres, findRedis, isListening } from './services.mjs';
import { ensureSwift, findSwift } from './swift.mjs';
import { findWebKit, WEBKIT_LEFT_OUT, WEBKIT_PACKAGES } from './webkit.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = path.join(root, 'node_modules');
const stamp = path.join(modules, '.bulkhead-setup');
const ownNode = path.join(
  modules,
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
);

let isPackageListNew = false;

const CHROMIUM = {
  name: 'Chromium',
  debianPackage: 'chromium',
  download: 'chromium',
  find: findChromium,
  variable: 'BULKHEAD_CHROMIUM',
};
/** No download: Playwright has a Firefox of its own only, which is not the one that people have. */
const FIREFOX = {
  name: 'Firefox',
  debianPackage: 'firefox-esr',
  find: findFirefox,
  variable: 'BULKHEAD_FIREFOX',
};

try {
  await installDependencies();
  const isForTests = process.argv.includes('--tests');
  if (isForTests || process.argv.includes('--browser')) await installBrowser(CHROMIUM);
  if (isForTests) {
    await installBrowser(FIREFOX);
    await installWebKit();
    await installService({
      name: 'PostgreSQL',
      debianPackage: 'postgresql',
      find: findPostgres,
      variable: 'BULKHEAD_TEST_POSTGRES',
      port: 5432,
    });
    await installService({
      name: 'Redis',
      debianPackage: 'redis-server',
      find: findRedis,
      variable: 'BULKHEAD_TEST_REDIS',
      port: 6379,
    });
    if (!findSwift() && process.getuid?.() === 0) await updatePackageList();
    await ensureSwift(step);
  }
} catch (error) {
  console.error(`\nsetup: ${error.message}`);
  process.exitCode = 1;
}

async function installDependencies() {
  const lock = readFileSync(path.join(root, 'package-lock.json'));
  const wanted = createHash('sha256')
    .update(lock)
    .update(`${process.platform} ${process.arch}`)
    .digest('hex');
  if (existsSync(ownNode) && read(stamp) === wanted) return;

  if (!isInstalled(JSON.parse(lock))) {
    await step('Installing dependencies (npm ci)', 'npm', [
      'ci',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ]);
  }
  // Its binary comes from an install script, which a user's npm may be configured not to run.
  if (!existsSync(ownNode)) {
    await step('Installing Node 24 (npm rebuild node)', 'npm', [
      'rebuild',
      'node',
      '--ignore-scripts=false',
      '--loglevel=error',
    ]);
  }
  if (!existsSync(ownNode)) {
    throw new Error(
      `Node 24 is missing at ${ownNode}. Remove node_modules and run: npm ci --ignore-scripts=false`,
    );
  }
  writeFileSync(stamp, wanted);
}

/** Whether npm already put every package of the lock file in place, at the same version. */
function isInstalled(lock) {
  const hidden = read(path.join(modules, '.package-lock.json'));
  if (hidden === undefined) return false;
  const installed = JSON.parse(hidden).packages;
  return Object.entries(lock.packages).every(
    ([location, { version, optional, link }]) =>
      !location.includes('node_modules/') ||
      optional ||
      (link ? installed[location]?.link : installed[location]?.version === version),
  );
}

async function installBrowser({ name, debianPackage, download, find, variable }) {
  if (find()) return;
  const advice = `The tests need a ${name}. Install one so that it is on PATH, or name its executable:
  ${variable}=/path/to/${debianPackage} npm test`;
  const isRoot = process.getuid?.() === 0;
  const hasApt = process.platform === 'linux' && existsSync('/usr/bin/apt-get');
  const system = read('/etc/os-release') ?? '';
  // Ubuntu's package of that name is only a pointer to a snap, which containers cannot install.
  const isDebian = hasApt && /^ID=debian$/m.test(system);

  if (isRoot && isDebian) {
    await installPackage(name, debianPackage);
  } else if (download) {
    const withLibraries = isRoot && hasApt ? ['--with-deps'] : [];
    await step(`Downloading ${name} (playwright install ${download})`, process.execPath, [
      path.join(modules, 'playwright', 'cli.js'),
      'install',
      ...withLibraries,
      download,
    ]).catch((error) => {
      throw new Error(`${error.message}\n${advice}`);
    });
  }
  if (!find()) throw new Error(`There is no ${name}.\n${advice}`);
}

/** The one engine that not every machine can have: without it, its tests are left out by name. */
async function installWebKit() {
  if (findWebKit()) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync('/usr/bin/apt-get')) {
    await updatePackageList();
    const { code } = await run('apt-cache', ['show', ...WEBKIT_PACKAGES]);
    if (code === 0) await installPackage('WebKitGTK', ...WEBKIT_PACKAGES);
  }
  if (!findWebKit()) console.log(WEBKIT_LEFT_OUT);
}

/** One that runs is used; else its programs are needed, and the tests start it themselves. */
async function installService({ name, debianPackage, find, variable, port }) {
  if (process.env[variable] || find() || (await isListening(port))) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && existsSync('/usr/bin/apt-get')) {
    await installPackage(name, debianPackage);
  }
  if (!find()) {
    throw new Error(
      `There is no ${name}, which the tests need. Install it, or name a server: ${variable}=… npm test`,
    );
  }
}

async function installPackage(name, ...debianPackages) {
  await updatePackageList();
  await step(`Installing ${name} (apt-get install ${debianPackages.join(' ')})`, 'apt-get', [
    'install',
    '-y',
    '-qq',
    '--no-install-recommends',
    ...debianPackages,
  ]);
}

async function updatePackageList() {
  if (isPackageListNew) return;
  await step('Updating the package list (apt-get update)', 'apt-get', ['update', '-qq']);
  isPackageListNew = true;
}

/** Runs one command, quiet unless it fails, and says what it is and how long it took. */
async function step(title, command, args, options = {}) {
  const startedMs = Date.now();
  process.stdout.write(`${title} … `);
  const { code, output } = await run(command, args, options);
  const seconds = `${((Date.now() - startedMs) / 1000).toFixed(1)} s`;
  console.log(code === 0 ? seconds : `failed after ${seconds}`);
  if (code !== 0) {
    // After its message npm prints a page of usage.
    const [message] = output.split('npm error\nnpm error Clean install a project');
    throw new Error(`${command} ${args.join(' ')} failed:\n${message.trim()}`);
  }
}

function run(command, args, { cwd = root } = {}) {
  // `npm ci` removes node_modules: nothing it runs may be started from there.
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const PATH = folders.filter((folder) => !folder.startsWith(modules)).join(path.delimiter);
  const env = { ...process.env, PATH, DEBIAN_FRONTEND: 'noninteractive' };
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ code: 1, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
