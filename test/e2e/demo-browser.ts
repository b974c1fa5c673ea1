import { type Browser, type BrowserContext, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';

/** One visitor's page, and everything that went wrong in it unnoticed. */
export interface DemoPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Uncaught errors and refusals of the content security policy. */
  readonly errors: readonly string[];
}

export function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  return chromium.launch({ args: CHROMIUM_FLAGS, ...(executablePath ? { executablePath } : {}) });
}

/** Opens the demo as someone who was never there before. */
export async function openDemo(browser: Browser, url: string): Promise<DemoPage> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 850 } });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) errors.push(message.text());
  });
  await page.goto(url);
  await page.waitForFunction(() => window.bulkhead !== undefined);
  return { page, context, errors };
}

/** Drops files and folders on the page as the file manager does: real entries, read from disk. */
export async function drop(page: Page, paths: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [...paths], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
  }
  await session.detach();
}

/** A part of `<bulkhead-uploader>`: Playwright's selectors reach into its shadow root. */
export const part = (name: string, more = ''): string =>
  `bulkhead-uploader [part~="${name}"]${more}`;

/** Waits until every accepted file has come to an end and says so in the summary. */
export async function whenDone(page: Page): Promise<string> {
  await page.waitForSelector(part('progress', '[data-phase=done]'));
  return (await page.textContent(part('summary'))) ?? '';
}

/** File names of the tiles in sight, in their order. */
export function tileNames(page: Page): Promise<string[]> {
  return page.$$eval('[data-testid=tile] .tile-name', (names) =>
    names.map((name) => name.textContent ?? ''),
  );
}
