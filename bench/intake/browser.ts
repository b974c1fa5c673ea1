import { type Browser, type CDPSession, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';
import { BrowserError } from '../load/browser.ts';

/** Answered by the driver itself: nothing listens there. A secure context, as `localhost` is. */
const PAGE_URL = 'http://intake.localhost/';
/** Isolated pages have a clock of 5 µs instead of 100. */
const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

/** A page of its own for one measurement. */
export interface BenchPage {
  readonly page: Page;
  /** Live objects of the page, its own and the browser's for it, in bytes. */
  heapBytes(): Promise<number>;
  /** Drops a folder of the disk as the file manager does. */
  drop(folder: string): Promise<void>;
  /** Samples the main thread meanwhile. @returns what DevTools open as a `.cpuprofile` */
  profile(work: () => Promise<void>): Promise<object>;
  close(): Promise<void>;
}

/** @throws BrowserError when there is none */
export function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new BrowserError('There is no Chromium: run `node scripts/setup.mjs --browser`');
  }
  return chromium.launch({ executablePath, args: CHROMIUM_FLAGS });
}

/** Opens the bench's page in a new profile and a process of its own. */
export async function openBenchPage(browser: Browser, script: string): Promise<BenchPage> {
  const context = await browser.newContext({ viewport: { width: 800, height: 600 } });
  // A measurement takes as long as it takes.
  context.setDefaultTimeout(0);
  const page = await context.newPage();
  await page.route('**/*', (route) => {
    const isScript = route.request().url().endsWith('main.js');
    return route.fulfill({
      contentType: isScript ? 'text/javascript' : 'text/html',
      headers: ISOLATION,
      body: isScript
        ? script
        : '<!doctype html><title>Intake</title><script src="main.js"></script>',
    });
  });
  await page.goto(PAGE_URL);
  const session = await context.newCDPSession(page);
  return {
    page,
    heapBytes: () => measureHeap(session),
    async drop(folder) {
      const data = { items: [], files: [folder], dragOperationsMask: 1 };
      for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
        await session.send('Input.dispatchDragEvent', { type, x: 100, y: 100, data });
      }
    },
    async profile(work) {
      await session.send('Profiler.enable');
      await session.send('Profiler.setSamplingInterval', { interval: 200 });
      await session.send('Profiler.start');
      await work();
      const { profile } = await session.send('Profiler.stop');
      await session.send('Profiler.disable');
      return profile;
    },
    close: () => context.close(),
  };
}

async function measureHeap(session: CDPSession): Promise<number> {
  // What finalisers free, the second collection finds.
  for (let round = 0; round < 2; round += 1) await session.send('HeapProfiler.collectGarbage');
  const usage = await session.send('Runtime.getHeapUsage');
  return usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize;
}
