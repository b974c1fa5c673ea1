import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { type BrowserContext, type CDPSession, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';
import { killBrowser } from './kill-browser.ts';
import { installProbe, type ProbeResult, type ProbeState } from './page-probe.ts';
import { countRequests, type RequestCounts, sumCounts } from './request-counter.ts';

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
  /** Takes the page's network away, or brings it back. */
  setOffline(isOffline: boolean): Promise<void>;
  /** The whole browser anew, on the same profile: after it was closed in order, or by SIGKILL. */
  reopen(how: 'closed' | 'killed'): Promise<void>;
  /** Goes on with the interrupted session, by the page's own button. */
  resume(): Promise<void>;
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
export async function openPage(options: DrivenPageOptions): Promise<DrivenPage> {
  const profile = await mkdtemp(path.join(options.tempDir, 'profile-'));
  const errors: string[] = [];
  /** Of browsers that were killed. */
  const earlier: RequestCounts[] = [];
  let open = await openBrowser(options, profile, errors);
  return {
    version: open.context.browser()?.version() ?? 'unknown',
    errors,
    requests: () => [...earlier, open.requests()].reduce(sumCounts),
    ...driveProbe(() => open.page),
    heapBytes: ({ collect } = { collect: false }) => measureHeap(open.session, collect),
    addFolder: (dir) =>
      open.page.locator('input[type=file][webkitdirectory]').first().setInputFiles(dir),
    setOffline: (isOffline) => open.context.setOffline(isOffline),
    async reopen(how) {
      earlier.push(open.requests());
      if (how === 'killed') await killBrowser(profile);
      await open.context.close().catch(() => {});
      open = await openBrowser(options, profile, errors);
    },
    async resume() {
      const { page } = open;
      await page.click('bulkhead-uploader [part~=session-resume]');
      await page.waitForSelector('bulkhead-uploader [part~=session-files]');
    },
    cookie: async () =>
      (await open.context.cookies(options.url))
        .map(({ name, value }) => `${name}=${value}`)
        .join('; '),
    async close() {
      await open.context.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface OpenBrowser {
  readonly context: BrowserContext;
  readonly page: Page;
  readonly session: CDPSession;
  readonly requests: () => RequestCounts;
}

async function openBrowser(
  { url, isHeaded }: DrivenPageOptions,
  profile: string,
  errors: string[],
): Promise<OpenBrowser> {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new BrowserError('There is no Chromium: run `node scripts/setup.mjs --browser`');
  }
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
  try {
    await context.addInitScript(installProbe);
    const page = context.pages()[0] ?? (await context.newPage());
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
    return { context, page, session, requests };
  } catch (error) {
    await context.close();
    throw error;
  }
}

function driveProbe(current: () => Page): Pick<DrivenPage, 'state' | 'acknowledged' | 'result'> {
  const missing = () => {
    throw new BrowserError('The page was loaded again and has lost its probe');
  };
  return {
    state: async () => (await current().evaluate(() => window.bulkheadProbe?.state())) ?? missing(),
    acknowledged: async () =>
      (await current().evaluate(() => window.bulkheadProbe?.acknowledged())) ?? missing(),
    result: async () =>
      (await current().evaluate(() => window.bulkheadProbe?.result())) ?? missing(),
  };
}

async function measureHeap(session: CDPSession, isCollected: boolean): Promise<number> {
  if (isCollected) await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
}
