import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { type CDPSession, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';
import { installProbe, type ProbeResult, type ProbeState } from './page-probe.ts';
import { countRequests, type RequestCounts } from './request-counter.ts';

/** There is no Chromium to drive, or the page is not the one expected. */
export class BrowserError extends Error {
  override readonly name = 'BrowserError';
}

/** The demo page in a Chromium of its own, with the probe inside. */
export interface DrivenPage {
  readonly version: string;
  /** Hands the folder to the page, as a person does through the folder picker. */
  addFolder(dir: string): Promise<void>;
  state(): Promise<ProbeState>;
  acknowledged(): Promise<readonly string[]>;
  result(): Promise<ProbeResult>;
  requests(): RequestCounts;
  /** Bytes of live and dead objects right now; `collect` removes the dead ones first. */
  heapBytes(options?: { collect: boolean }): Promise<number>;
  /** Errors that nothing in the page caught. */
  readonly errors: readonly string[];
  cookie(): Promise<string>;
  close(): Promise<void>;
}

export interface DrivenPageOptions {
  readonly url: string;
  readonly isHeaded: boolean;
  /** For the browser's profile, which is new and removed on close. */
  readonly tempDir: string;
}

/** Opens the page with a new profile on disk, as a first-time visitor has. */
export async function openPage({ url, isHeaded, tempDir }: DrivenPageOptions): Promise<DrivenPage> {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new BrowserError('There is no Chromium: run `node scripts/setup.mjs --browser`');
  }
  const profile = await mkdtemp(path.join(tempDir, 'profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: !isHeaded,
    args: CHROMIUM_FLAGS,
    viewport: { width: 1280, height: 900 },
    // The run ends the server first; signals are its own matter.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await context.addInitScript(installProbe);
    const page = context.pages()[0] ?? (await context.newPage());
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
    page.on('crash', () => errors.push('The page crashed'));
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable');
    await session.send('HeapProfiler.enable');
    const requests = await countRequests(session, new URL(url).origin);
    await page.goto(url);
    await page
      .waitForFunction(() => window.bulkhead?.uploader !== undefined)
      .catch(() => {
        throw new BrowserError(`${url} never set window.bulkhead.uploader: ${errors.join('\n')}`);
      });
    return {
      version: context.browser()?.version() ?? 'unknown',
      errors,
      requests,
      close,
      ...driveProbe(page),
      heapBytes: (options) => measureHeap(session, options?.collect ?? false),
      addFolder: (dir) =>
        page.locator('input[type=file][webkitdirectory]').first().setInputFiles(dir),
      cookie: async () =>
        (await context.cookies(url)).map(({ name, value }) => `${name}=${value}`).join('; '),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function driveProbe(page: Page): Pick<DrivenPage, 'state' | 'acknowledged' | 'result'> {
  const missing = () => {
    throw new BrowserError('The page was loaded again and has lost its probe');
  };
  return {
    state: async () => (await page.evaluate(() => window.bulkheadProbe?.state())) ?? missing(),
    acknowledged: async () =>
      (await page.evaluate(() => window.bulkheadProbe?.acknowledged())) ?? missing(),
    result: async () => (await page.evaluate(() => window.bulkheadProbe?.result())) ?? missing(),
  };
}

async function measureHeap(session: CDPSession, isCollected: boolean): Promise<number> {
  if (isCollected) await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
}
