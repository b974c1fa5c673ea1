/**
 * Builds what is stale and runs the demo until Ctrl-C.
 *
 *   PORT=3000 npm start
 */
import './on-node-24.mjs';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BuildError, build } from './build.mjs';

/** npm and the terminal each send the same Ctrl-C; later than this it is a second one. */
const SAME_SIGNAL_MS = 1000;
const PARENT_CHECK_MS = 500;

const root = fileURLToPath(new URL('..', import.meta.url));

try {
  await build();
  process.exitCode = await runDemo();
} catch (error) {
  console.error(error instanceof BuildError ? error.message : error);
  process.exitCode = 1;
}

/** @returns the demo's exit code */
function runDemo() {
  const demo = spawn(process.execPath, ['examples/demo/server.ts'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    // In a group of its own the demo hears a signal once, from here.
    detached: process.platform !== 'win32',
  });
  let heardMs = Number.NEGATIVE_INFINITY;
  const forward = (signal) => {
    const nowMs = performance.now();
    if (nowMs - heardMs < SAME_SIGNAL_MS) return;
    heardMs = nowMs;
    demo.kill(signal);
  };
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  // The terminal was closed.
  process.on('SIGHUP', () => forward('SIGTERM'));
  process.on('exit', () => demo.kill());
  // The shell that npm puts in between dies of a SIGTERM and does not pass it on.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) forward('SIGTERM');
  }, PARENT_CHECK_MS).unref();

  return new Promise((resolve, reject) => {
    demo.on('error', reject);
    demo.on('exit', (code) => resolve(code ?? 1));
  });
}
