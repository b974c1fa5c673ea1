import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type CDPSession, chromium, type Page } from 'playwright';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';
import { BrowserError } from '../load/browser.ts';
import { type CpuSeconds, watchCpu } from './cpu-time.ts';

const HEAP_EVERY_MS = 500;
const CLOSE_TIMEOUT_MS = 10_000;

/** The bench's page in a Chromium of its own, with a new profile on disk. */
export interface ComparePage {
  readonly page: Page;
  readonly version: string;
  /** Errors that nothing in the page caught. */
  readonly errors: readonly string[];
  /** Looks at the heap twice a second. @returns ends that, and says the highest, in bytes */
  watchHeap(): () => number;
  /** Counts the CPU time of the browser's processes until the returned function is called. */
  watchCpu(): Promise<() => Promise<Omit<CpuSeconds, 'server'>>>;
  /** Samples the main thread until the returned function is called, which gives a `.cpuprofile`. */
  profile(): Promise<() => Promise<object>>;
  close(): Promise<void>;
}

/** @throws BrowserError when there is no Chromium, or the page is not the bench's */
export async function openComparePage(url: string): Promise<ComparePage> {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new BrowserError('There is no Chromium: run `node scripts/setup.mjs --browser`');
  }
  const profile = await mkdtemp(path.join(tmpdir(), 'bulkhead-compare-'));
  const isTls = url.startsWith('https:');
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    // Only here: the certificate was made for this run.
    args: [...CHROMIUM_FLAGS, ...(isTls ? ['--ignore-certificate-errors'] : [])],
    viewport: { width: 800, height: 600 },
  });
  const close = async () => {
    // A page that is busy for minutes must not hold the bench.
    const timeout = new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref());
    await Promise.race([context.close(), timeout]);
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  };
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
    page.on('crash', () => errors.push('The page crashed'));
    await page.goto(url);
    await page.waitForFunction(() => window.compareBench !== undefined);
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable');
    const ofBrowser = await context.browser()?.newBrowserCDPSession();
    if (!ofBrowser) throw new BrowserError('Chromium tells nothing of its processes');
    return {
      page,
      errors,
      version: context.browser()?.version() ?? 'unknown',
      watchHeap: () => watchHeap(session),
      watchCpu: () => watchCpu(ofBrowser),
      profile: () => startProfile(session),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function watchHeap(session: CDPSession): () => number {
  let highest = 0;
  let isEnded = false;
  const look = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    const used = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0;
    highest = Math.max(highest, used);
  };
  const watch = async () => {
    while (!isEnded) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, HEAP_EVERY_MS));
    }
  };
  watch().catch((error: unknown) => {
    // The page was closed while it was asked, as happens to one that takes too long.
    if (!isEnded) console.error(error);
  });
  return () => {
    isEnded = true;
    return highest;
  };
}

async function startProfile(session: CDPSession): Promise<() => Promise<object>> {
  await session.send('Profiler.enable');
  await session.send('Profiler.setSamplingInterval', { interval: 200 });
  await session.send('Profiler.start');
  return async () => (await session.send('Profiler.stop')).profile;
}
