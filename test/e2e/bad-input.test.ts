import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Asset } from 'bulkhead/protocol';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type BadFile, MAX_FILE_BYTES, ODD_NAMES, writeBadFiles } from './bad-input-files.ts';
import {
  type DemoPage,
  launchBrowser,
  openDemo,
  part,
  tileNames,
  whenDone,
} from './demo-browser.ts';
import { writePhotos } from './demo-photos.ts';
import { DemoServer } from './demo-server.ts';

const PLAIN_NAMES = ['one.jpg', 'two.jpg', 'three.jpg'];
const GOOD_COUNT = PLAIN_NAMES.length + ODD_NAMES.length;

let dir: string;
let server: DemoServer;
let browser: Browser;
let demo: DemoPage;
let bad: BadFile[];
let assets: Asset[];

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-bad-'));
  bad = await writeBadFiles(dir);
  const good = await writePhotos(dir, [...PLAIN_NAMES, ...ODD_NAMES.map(({ name }) => name)]);
  [server, browser] = await Promise.all([
    DemoServer.start({
      env: { BULKHEAD_MAX_FILE_BYTES: String(MAX_FILE_BYTES) },
      templateFolder: inject('templateFolder'),
    }),
    launchBrowser(),
  ]);
  demo = await openDemo(browser, server.pageUrl);
  const { page } = demo;
  // All in one go, good and bad mixed, as a person selects a folder's content.
  const files = [...bad.map(({ name }) => path.join(dir, name)), ...good].sort();
  await page.setInputFiles(part('files-input'), files);
  await whenDone(page);
  assets = await page.evaluate(async () => (await (await fetch('/api/assets')).json()).assets);
});

afterAll(async () => {
  await browser?.close();
  await server?.remove();
  await rm(dir, { recursive: true, force: true });
});

describe('bad input among good photos', () => {
  it('lets every good photo through to searchable, whatever its name', () => {
    const searchable = assets.filter(({ stage }) => stage === 'searchable');
    const names = searchable.map(({ filename }) => filename.normalize('NFC')).sort();
    const expected = [...PLAIN_NAMES, ...ODD_NAMES.map(({ name }) => name.normalize('NFC'))].sort();
    expect(names).toEqual(expected);
  });

  it('says of each bad file what is wrong with it, in words of its own', async () => {
    const causes = await demo.page.locator(part('cause')).all();
    const said: string[] = [];
    for (const cause of causes) {
      await cause.locator('[part~=cause-toggle]').click();
      await cause.locator('[part~=failed-file]').first().waitFor();
      said.push((await cause.textContent()) ?? '');
    }
    expect(causes).toHaveLength(bad.length);
    for (const { name, words } of bad) {
      const own = said.filter((text) => text.includes(name));
      expect(own, name).toHaveLength(1);
      expect(own[0], name).toMatch(words);
    }
  });

  it('offers no retry where trying again cannot help', async () => {
    expect(await demo.page.locator(part('retry')).count()).toBe(0);
    expect(await demo.page.isVisible(part('retry-all'))).toBe(false);
  });

  it('counts in the summary what arrived and what did not', async () => {
    const { page } = demo;
    // A damaged image and one with too many pixels are found out only when they are decoded.
    const summary = await page.textContent(part('summary'));
    expect(summary).toBe(`${GOOD_COUNT} of ${GOOD_COUNT + 2} photos are in the library`);
    const figures = await page.textContent(part('figures'));
    expect(figures).toContain(`2 failed · ${bad.length - 2} not taken`);
  });

  it('shows names so that nothing in them is hidden or taken for markup', async () => {
    const { page } = demo;
    // The gallery has the tiles in sight only, and what failed stands above it.
    await page.evaluate(() => document.querySelector('#library')?.scrollIntoView());
    await page.waitForFunction(
      (count) => document.querySelectorAll('[data-testid=tile].is-loaded').length === count,
      GOOD_COUNT,
    );
    const names = await tileNames(page);
    for (const { shown } of ODD_NAMES) expect(names).toContain(shown.normalize('NFC'));
    expect(await page.$$('.tile-name b')).toHaveLength(0);
  });

  it('finds photos with odd names by their words', async () => {
    const { page } = demo;
    await page.fill('[data-testid=search]', 'beach número');
    await page.waitForSelector('text=1 photo for');
    await page.fill('[data-testid=search]', 'escape');
    await page.waitForFunction(() => document.body.textContent?.includes('1 photo for “escape”'));
    await page.fill('[data-testid=search]', '');
  });

  it('leaves nothing partial in the store, and nothing of a refused file', async () => {
    const store = path.join(server.dir, 'blobs');
    expect(await readdir(path.join(store, 'tmp'))).toEqual([]);
    const stored = (await readdir(store, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.meta'))
      .map(({ name }) => name)
      .sort();
    // Of a file that is an image but cannot be decoded the original is kept, and nothing else.
    const expected = assets.flatMap(({ id, processed }) =>
      processed ? [id, `${id}.image.jpg`, `${id}.thumbnail.webp`] : [id],
    );
    expect(stored).toEqual(expected.sort());
    expect(assets.filter(({ stage }) => stage === 'failed')).toHaveLength(2);
  });

  it('raises no error in the page', () => {
    expect(demo.errors).toEqual([]);
  });
});
