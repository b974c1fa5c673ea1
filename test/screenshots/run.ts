/**
 * The pictures of `docs/element.md`, taken from the demo with real uploads:
 *
 *   npm run screenshots
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright';
import { createRandom } from '../../bench/load/image.ts';
import { nameImage } from '../../bench/load/image-names.ts';
import { MAX_FILE_BYTES, writeBadFiles } from '../e2e/bad-input-files.ts';
import { launchBrowser, openDemo, part, whenDone } from '../e2e/demo-browser.ts';
import { writePhotos } from '../e2e/demo-photos.ts';
import { buildDemo, DemoServer } from '../e2e/demo-server.ts';

const OUT = path.resolve(import.meta.dirname, '../../docs/images');
const PHOTOS = 2_000;
const WIDE = { width: 1200, height: 860 };
const NARROW = { width: 400, height: 860 };

const dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-pictures-'));
const names = Array.from(
  { length: PHOTOS },
  (_, index) => `summer/${nameImage(index, 'jpeg', createRandom(3, index))}`,
);
const photos = await writePhotos(dir, names);
const bad = await writeBadFiles(dir);
await buildDemo();
const server = await DemoServer.start({
  env: {
    BULKHEAD_MAX_FILE_BYTES: String(MAX_FILE_BYTES),
    BULKHEAD_RATE_CAPACITY: '100000',
    BULKHEAD_RATE_PER_MINUTE: '100000',
  },
});
const browser = await launchBrowser();

try {
  await underWay();
  await failed();
} finally {
  await browser.close();
  await server.remove();
  await rm(dir, { recursive: true, force: true });
}

/** 2,000 photos on their way, in light, dark and narrow; offline; and after the tab was lost. */
async function underWay(): Promise<void> {
  const { page, context } = await openDemo(browser, server.pageUrl);
  page.on('dialog', (dialog) => void dialog.accept());
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setInputFiles(part('folder-input'), path.join(dir, 'summer'));
  await uploaded(page, PHOTOS * 0.2);
  await showFrontier(page);
  await shot(page, 'element-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await showFrontier(page);
  await shot(page, 'element-dark');
  await page.setViewportSize(NARROW);
  await showFrontier(page);
  await shot(page, 'element-narrow');
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: 'light' });
  await uploaded(page, PHOTOS * 0.5);
  await page.click(part('filter-active'));
  await shot(page, 'element-2000');
  await context.setOffline(true);
  await page.waitForSelector(part('banner'));
  await page.waitForTimeout(1_500);
  await shot(page, 'element-offline');
  await context.setOffline(false);
  await uploaded(page, PHOTOS * 0.6);
  await page.click(part('pause'));
  await page.waitForTimeout(2_000);
  await page.reload();
  await page.waitForSelector(part('session-resume'));
  await shot(page, 'element-resume');
  await page.click(part('session-discard'));
  await page.click(part('session-discard'));
  await context.close();
}

/** Files that no library wants, and a store that refuses a few. */
async function failed(): Promise<void> {
  const { page, context } = await openDemo(browser, server.pageUrl);
  await page.setViewportSize({ ...WIDE, height: 1180 });
  await page.emulateMedia({ colorScheme: 'light' });
  let puts = 0;
  // Each photo alone, so that some of them can be refused.
  await page.route('**/api/upload-pack', (route) => route.fulfill({ status: 404 }));
  await page.route(
    (url) => url.origin === server.storeUrl && url.searchParams.has('c'),
    (route) => {
      if (route.request().method() !== 'PUT' || puts++ % 9 !== 4) return route.continue();
      return route.fulfill({ status: 400, headers: { 'Access-Control-Allow-Origin': '*' } });
    },
  );
  const files = [...photos.slice(0, 60), ...bad.map(({ name }) => path.join(dir, name))];
  await page.setInputFiles(part('files-input'), files);
  await whenDone(page);
  await page.click(part('cause-toggle'));
  await page.click(part('details'));
  await shot(page, 'element-failures');
  await context.close();
}

/** Scrolls the list to where uploading is: rows of every stage are in sight there. */
async function showFrontier(page: Page): Promise<void> {
  await page.evaluate(() => {
    const done = window.bulkhead?.uploader.getSnapshot().uploaded ?? 0;
    const rows = document.querySelector('bulkhead-uploader')?.shadowRoot?.querySelector('.rows');
    const row = rows?.querySelector<HTMLElement>('bulkhead-uploader-row');
    rows?.scrollTo(0, Math.max(0, done - 1) * (row?.offsetHeight ?? 0));
  });
}

async function uploaded(page: Page, count: number): Promise<void> {
  await page.waitForFunction(
    (least) => (window.bulkhead?.uploader.getSnapshot().uploaded ?? 0) >= least,
    count,
    { timeout: 600_000 },
  );
}

async function shot(page: Page, name: string): Promise<void> {
  // What fades in is there by then, and the pictures of the rows are too.
  await page.waitForTimeout(600);
  await page.screenshot({ path: path.join(OUT, `${name}.png`) });
  console.log(`docs/images/${name}.png`);
}
