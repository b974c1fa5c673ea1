/**
 * Runs one of the examples until Ctrl-C: installs and builds what is missing, starts its processes and prints
 * its address.
 *
 *   npm run example                    lists them
 *   npm run example vite-react         on port 3000, or the next free one
 *   PORT=8080 npm run example express  on that port; 0: any free one
 */
import './on-node-24.mjs';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { BuildError, build } from './build.mjs';
import { EXAMPLES } from './examples.mjs';
import { freePort, isListening } from './services.mjs';

/** Next.js compiles its page when it is first asked for. */
const READY_MS = 60_000;
const POLL_MS = 100;
/** After a signal, what has not ended by itself. */
const MAX_STOP_MS = 8_000;
/** npm and the terminal each send the same Ctrl-C; later than this it is a second one. */
const SAME_SIGNAL_MS = 1000;
const PARENT_CHECK_MS = 500;
const FIRST_PORT = 3000;

const root = fileURLToPath(new URL('..', import.meta.url));
/** Running processes, each the leader of a group of its own. */
const running = new Set();
let isStopping = false;
let complaint;

const [name] = process.argv.slice(2);
const example = Object.hasOwn(EXAMPLES, name ?? '') ? EXAMPLES[name] : undefined;
if (!example) {
  if (name) console.error(`There is no example "${name}".`);
  console.log(`npm run example <name>:\n\n${list()}`);
  process.exitCode = name ? 1 : 0;
} else {
  try {
    await build();
    await install(name, example);
    stopOnSignal();
    await run(name, example);
  } catch (error) {
    console.error(error instanceof BuildError ? error.message : error);
    process.exitCode = 1;
    await stop();
  }
}

function list() {
  const width = Math.max(...Object.keys(EXAMPLES).map(({ length }) => length));
  return Object.entries(EXAMPLES)
    .map(([key, { about }]) => `  ${key.padEnd(width)}  ${about}`)
    .join('\n');
}

/** What only this example needs, in its own folder: the repository's `npm ci` stays as small as it is. */
async function install(name, { install: needed }) {
  const cwd = path.join(root, 'examples', name);
  if (!needed || existsSync(path.join(cwd, 'node_modules', needed))) return;
  console.log(`Installing what examples/${name} needs (npm install) …`);
  const npm = spawn('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  const code = await new Promise((resolve, reject) => {
    npm.on('error', reject);
    npm.on('close', resolve);
  });
  if (code !== 0) throw new Error(`npm install in examples/${name} failed.`);
}

async function run(name, { processes, note, apiPort }) {
  const ports = await choosePorts(apiPort);
  const dir = process.env.BULKHEAD_DIR ?? path.join(root, '.bulkhead', 'examples', name);
  const all = processes({ root, dir, ports, env: process.env });
  for (const one of all) start(one);
  const url = `http://localhost:${ports.page}`;
  await untilReady(all, url);
  if (isStopping) return;
  console.log(`Example ${name} ready: ${url}${note ? ` (${note(process.env)})` : ''}`);
}

/** The page's, as it was asked for, and others for what stands behind it. */
async function choosePorts(wantedApiPort) {
  const api = await chosenPort('API_PORT', wantedApiPort ?? 0);
  const page = await chosenPort('PORT', FIRST_PORT, [api]);
  return { page, api, store: await freePort() };
}

/** The one that the environment names, which must be free; or the fallback if it is free; or any other. */
async function chosenPort(variable, fallback, taken = []) {
  const asked = process.env[variable];
  const port = Number(asked ?? fallback);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`${variable} is "${asked}": expected a whole number from 0 to 65535`);
  }
  if (port !== 0 && !taken.includes(port) && !(await isListening(port))) return port;
  if (port !== 0 && (asked || variable === 'API_PORT')) {
    throw new Error(`Port ${port} is in use. Choose another: ${variable}=${port + 10} …`);
  }
  return freePort();
}

function start({ command, args, cwd = root, env = {} }) {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: it hears a signal once, from here, with whatever it started itself.
    detached: process.platform !== 'win32',
  });
  running.add(child);
  let output = '';
  const keep = (chunk) => {
    output = `${output}${chunk}`.slice(-10_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', (chunk) => {
    keep(chunk);
    if (!isStopping) process.stderr.write(chunk);
  });
  child.on('error', (error) => {
    running.delete(child);
    fail(`${command} could not be started: ${error.message}`);
  });
  child.on('exit', (code, signal) => {
    running.delete(child);
    if (!isStopping) {
      fail(`${path.basename(command)} ${args.join(' ')} ended with ${signal ?? code}:\n${output}`);
    }
  });
}

function fail(message) {
  complaint ??= message;
  console.error(message);
  process.exitCode = 1;
  void stop();
}

/** Each process answers where it said; the page last. */
async function untilReady(processes, url) {
  const deadlineMs = performance.now() + READY_MS;
  for (const address of [...processes.flatMap(({ ready }) => ready ?? []), url]) {
    while (!isStopping && !(await answers(address))) {
      if (performance.now() > deadlineMs) throw new Error(`Nothing answers at ${address}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  if (complaint) throw new Error('The example did not start.');
}

async function answers(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(READY_MS) });
    await response.arrayBuffer();
    return response.status < 500;
  } catch {
    // Nobody listens yet.
    return false;
  }
}

function stopOnSignal() {
  let heardMs = Number.NEGATIVE_INFINITY;
  const hear = () => {
    const nowMs = performance.now();
    if (nowMs - heardMs < SAME_SIGNAL_MS) return;
    heardMs = nowMs;
    if (isStopping) signalAll('SIGKILL');
    void stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, hear);
  process.on('exit', () => signalAll('SIGKILL'));
  // The shell that npm puts in between dies of a SIGTERM and does not pass it on.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) hear();
  }, PARENT_CHECK_MS).unref();
}

async function stop() {
  if (isStopping) return;
  isStopping = true;
  signalAll('SIGTERM');
  const ended = Promise.all(
    [...running].map((child) => new Promise((resolve) => child.once('exit', resolve))),
  );
  const timer = setTimeout(() => signalAll('SIGKILL'), MAX_STOP_MS);
  await ended;
  clearTimeout(timer);
  process.exit();
}

function signalAll(signal) {
  for (const child of running) {
    try {
      if (process.platform === 'win32') child.kill(signal);
      else process.kill(-child.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}
