import { findExecutable } from './find-executable.mjs';

const NAMES = ['firefox-esr', 'firefox'];

const APPLICATIONS = {
  darwin: ['/Applications/Firefox.app/Contents/MacOS/firefox'],
  win32: [
    'C:\\Program Files\\Mozilla Firefox\\firefox.exe',
    'C:\\Program Files (x86)\\Mozilla Firefox\\firefox.exe',
  ],
};

/**
 * The Firefox to use: `BULKHEAD_FIREFOX`, else one on PATH, else an installed application. `undefined` when
 * there is none; `scripts/setup.mjs --browser` installs one. It is driven by WebDriver BiDi, which every
 * Firefox speaks.
 *
 * @param {{ env?: NodeJS.ProcessEnv, platform?: NodeJS.Platform }} [options] for tests
 * @returns {string | undefined}
 */
export function findFirefox({ env = process.env, platform = process.platform } = {}) {
  return findExecutable({
    variable: 'BULKHEAD_FIREFOX',
    names: NAMES,
    places: APPLICATIONS[platform] ?? [],
    env,
  });
}
