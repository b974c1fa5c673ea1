/**
 * WebKitGTK for the tests: the engine of Safari, as Linux has it. Runs before anything is installed: Node
 * built-ins only.
 */
import { spawnSync } from 'node:child_process';
import { findExecutable } from './find-executable.mjs';

/** Debian's and Ubuntu's names: the driver, the engine, its Python binding, and a screen to draw on. */
export const WEBKIT_PACKAGES = [
  'webkit2gtk-driver',
  'libwebkit2gtk-4.1-0',
  'gir1.2-webkit2-4.1',
  'python3-gi',
  'xvfb',
];

/** What setup says, and what `npm test` ends with, where there is none. */
export const WEBKIT_LEFT_OUT =
  'Left out: the tests in WebKitGTK (project webkit), which is not installed here. ' +
  'On Debian or Ubuntu: apt-get install ' +
  WEBKIT_PACKAGES.join(' ');

/** The system's own Python, which has the bindings; another may come first on PATH. */
const PYTHON = ['/usr/bin/python3'];
const PROBE = `
import gi
gi.require_version('Gtk', '3.0')
gi.require_version('WebKit2', '4.1')
`;

/**
 * All that `test/support/webkit` needs: the driver (`BULKHEAD_WEBKIT_DRIVER`, else `WebKitWebDriver` on PATH),
 * `Xvfb` (`BULKHEAD_XVFB`, else on PATH), and a Python with GTK 3 and WebKit2 4.1 (`BULKHEAD_WEBKIT_PYTHON`,
 * else the system's). `undefined` when one is missing, and on everything but Linux.
 *
 * @param {{ env?: NodeJS.ProcessEnv, platform?: NodeJS.Platform, hasBindings?: (python: string) => boolean }}
 *   [options] for tests
 * @returns {import('./webkit.mjs').WebKit | undefined}
 */
export function findWebKit({
  env = process.env,
  platform = process.platform,
  hasBindings = importsWebKit,
} = {}) {
  const find = (variable, names, places) => findExecutable({ variable, names, places, env });
  if (platform !== 'linux') return undefined;
  const driver = find('BULKHEAD_WEBKIT_DRIVER', ['WebKitWebDriver'], []);
  const xvfb = find('BULKHEAD_XVFB', ['Xvfb'], []);
  const python = find('BULKHEAD_WEBKIT_PYTHON', [], PYTHON);
  if (!driver || !xvfb || !python || !hasBindings(python)) return undefined;
  return { driver, xvfb, python };
}

function importsWebKit(python) {
  return spawnSync(python, ['-c', PROBE], { stdio: 'ignore' }).status === 0;
}
