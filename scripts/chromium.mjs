import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { findExecutable } from './find-executable.mjs';

/**
 * For a browser that tests drive: no sandbox, because containers rarely permit it and every page it
 * opens is ours; no GPU, no QUIC and no calls home, because they make measurements vary.
 */
export const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const APPLICATIONS = {
  darwin: [
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ],
  win32: ['ProgramFiles', 'ProgramFiles(x86)', 'LocalAppData'].flatMap((variable) => {
    const root = process.env[variable];
    return root ? [path.join(root, 'Google', 'Chrome', 'Application', 'chrome.exe')] : [];
  }),
};

/** Where Playwright's own download puts the executable, by platform and version of Playwright. */
const PLAYWRIGHT_EXECUTABLES = [
  'chrome-linux64/chrome',
  'chrome-linux/chrome',
  'chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
  'chrome-mac-x64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
  'chrome-mac/Chromium.app/Contents/MacOS/Chromium',
  'chrome-win64/chrome.exe',
  'chrome-win/chrome.exe',
];

/**
 * The Chromium to use: `BULKHEAD_CHROMIUM`, else one on PATH, else an installed application, else
 * the one Playwright downloaded. `undefined` when there is none; `scripts/setup.mjs --browser`
 * installs one.
 *
 * @param {{ env?: NodeJS.ProcessEnv, platform?: NodeJS.Platform }} [options] for tests
 * @returns {string | undefined}
 */
export function findChromium({ env = process.env, platform = process.platform } = {}) {
  return findExecutable({
    variable: 'BULKHEAD_CHROMIUM',
    names: NAMES,
    places: [...(APPLICATIONS[platform] ?? []), ...downloaded(env, platform)],
    env,
  });
}

/** Playwright's downloads, newest first. */
function downloaded(env, platform) {
  const caches = { darwin: 'Library/Caches', win32: 'AppData/Local' };
  const root =
    env.PLAYWRIGHT_BROWSERS_PATH ||
    path.join(env.HOME ?? homedir(), caches[platform] ?? '.cache', 'ms-playwright');
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => /^chromium-\d+$/.test(name))
    .sort((a, b) => Number(b.slice(9)) - Number(a.slice(9)))
    .flatMap((name) => PLAYWRIGHT_EXECUTABLES.map((file) => path.join(root, name, file)));
}
