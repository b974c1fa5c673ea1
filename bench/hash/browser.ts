import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Browser, firefox, type Page } from 'playwright';
import { launchBrowser } from '../intake/browser.ts';
import { BrowserError } from '../load/browser.ts';
import type { PageScripts } from '../support/bundle.ts';
import type { HashOptions } from './options.ts';

/** Answered by the driver itself: nothing listens there. A secure context, as `localhost` is. */
const PAGE_URL = 'http://hash.localhost/';
const HTML =
  '<!doctype html><title>Hash</title><input type="file" multiple><script type="module" src="main.js"></script>';

/** @throws BrowserError when there is none */
export function launch(name: HashOptions['browser']): Promise<Browser> {
  if (name === 'chromium') return launchBrowser();
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const executablePath = folders
    .flatMap((folder) => ['firefox', 'firefox-esr'].map((file) => path.join(folder, file)))
    .find(existsSync);
  if (!executablePath) throw new BrowserError('There is no Firefox on PATH');
  return firefox.launch({ channel: 'moz-firefox', executablePath });
}

/** Opens the bench's page in a new profile. */
export async function openHashPage(browser: Browser, scripts: PageScripts): Promise<Page> {
  const page = await browser.newPage();
  // A measurement takes as long as it takes.
  page.setDefaultTimeout(0);
  await page.route('**/*', (route) => {
    const { pathname } = new URL(route.request().url());
    const isScript = pathname.endsWith('.js');
    const body = pathname === '/main.js' ? scripts.page : scripts.worker;
    return route.fulfill({
      contentType: isScript ? 'text/javascript' : 'text/html',
      body: isScript ? body : HTML,
    });
  });
  await page.goto(PAGE_URL);
  await page.waitForFunction(() => window.hashBench !== undefined);
  return page;
}
