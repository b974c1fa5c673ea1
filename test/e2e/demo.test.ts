import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DemoPage,
  drop,
  launchBrowser,
  openDemo,
  part,
  tileNames,
  whenDone,
} from './demo-browser.ts';
import { writeLargePng, writeLookAlike, writePhotos } from './demo-photos.ts';
import { DemoServer } from './demo-server.ts';

const NAMES = Array.from({ length: 10 }, (_, index) => `holiday/day-${index + 1}.jpg`);

let dir: string;
let server: DemoServer;
let browser: Browser;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-photos-'));
  const [original = ''] = await writePhotos(dir, ['holiday/lighthouse.jpg', ...NAMES]);
  await writeLookAlike(original, path.join(dir, 'holiday/lighthouse-small.jpg'));
  [server, browser] = await Promise.all([DemoServer.start(), launchBrowser()]);
});

afterAll(async () => {
  await browser?.close();
  await server?.remove();
  await rm(dir, { recursive: true, force: true });
});

/** The server's answer to a call made with this page's cookie. */
const ask = (page: Page, url: string) =>
  page.evaluate(async (target) => (await fetch(target)).json(), url);

describe('the demo', () => {
  let visitor: DemoPage;

  it('prints one line when it is ready', () => {
    expect(server.printed).toEqual([
      `Bulkhead demo ready: ${server.pageUrl} (object store on ${server.storeUrl}, data in ${server.dir})`,
    ]);
    expect(new URL(server.storeUrl).origin).not.toBe(new URL(server.pageUrl).origin);
  });

  it('takes a dropped folder from the tab to a searchable library', async () => {
    visitor = await openDemo(browser, server.pageUrl);
    const { page } = visitor;
    expect(await page.textContent('h1')).toContain('Thousands of photos');

    await drop(page, [path.join(dir, 'holiday')]);

    expect(await whenDone(page)).toBe('All 12 photos are in the library');
    for (const stage of ['uploaded', 'processed', 'searchable']) {
      expect(await page.textContent(part(`count-${stage}`))).toBe('12/12');
    }
    await page.waitForFunction(
      () => document.querySelectorAll('[data-testid=tile].is-loaded').length === 12,
    );
    expect(await page.textContent('[data-testid=library-count]')).toBe('12 photos');
  });

  it('finds photos by the words of their names', async () => {
    const { page } = visitor;
    await page.keyboard.press('/');
    await page.keyboard.type('day 7');
    await page.waitForSelector('text=1 photo for “day 7”');
    expect(await tileNames(page)).toEqual(['day-7.jpg']);

    await page.fill('[data-testid=search]', 'zeppelin');
    await page.waitForSelector('text=Nothing is called “zeppelin”');

    await page.focus('[data-testid=search]');
    await page.keyboard.press('Escape');
    await page.waitForSelector('text=12 photos');
  });

  it('shows a photo large, and what looks like it', async () => {
    const { page } = visitor;
    await page.click('[aria-label="Open lighthouse.jpg"]');
    await page.waitForSelector('[data-testid=lightbox-image].is-loaded');
    expect(await page.textContent('[data-testid=lightbox-name]')).toBe('lighthouse.jpg');
    expect(await page.textContent('[data-testid=lightbox-facts]')).toContain('JPEG');
    const original = await page.getAttribute('[data-testid=download]', 'href');
    const download = await fetch(original ?? '');
    expect(download.headers.get('content-disposition')).toContain('lighthouse.jpg');

    await page.click('[data-testid=more-like-this]');
    await page.waitForSelector('[data-testid=score]');
    expect((await tileNames(page))[0]).toBe('lighthouse-small.jpg');
    expect(parseInt((await page.textContent('[data-testid=score]')) ?? '', 10)).toBeGreaterThan(90);

    await page.click('[data-testid=clear-like]');
    await page.waitForSelector('text=12 photos');
    // The grid follows with the next frame.
    await page.waitForSelector('[data-testid=score]', { state: 'detached' });
  });

  it('moves between photos with the arrow keys and closes with Escape', async () => {
    const { page } = visitor;
    await page.click('[data-testid=tile] .tile-open >> nth=0');
    expect(await page.textContent('[data-testid=position]')).toBe('1 of 12');
    await page.keyboard.press('ArrowRight');
    expect(await page.textContent('[data-testid=position]')).toBe('2 of 12');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Escape');
    await page.waitForSelector('#lightbox', { state: 'hidden' });
  });

  it('shows the library again after a reload, and refuses to send what is there', async () => {
    const { page } = visitor;
    await page.reload();
    await page.waitForFunction(
      () => document.querySelectorAll('[data-testid=tile].is-loaded').length === 12,
    );
    expect(await page.isVisible(part('progress'))).toBe(false);

    await page.setInputFiles(part('files-input'), path.join(dir, 'holiday/day-1.jpg'));
    await whenDone(page);
    expect(await page.textContent(part('figures'))).toContain('1 you already had');
    expect((await ask(page, '/api/processing-stats')).stats.total).toBe(12);
  });

  it('gives every visitor a library of their own', async () => {
    const other = await openDemo(browser, server.pageUrl);
    await other.page.waitForSelector('.is-first-visit');
    expect((await ask(other.page, '/api/assets')).assets).toEqual([]);
    expect(other.errors).toEqual([]);
    await other.context.close();
  });

  it('takes an altered cookie for no cookie, and makes a new visitor with the page', async () => {
    const cookies = await visitor.context.cookies();
    const cookie = cookies.find(({ name }) => name === 'bulkhead_visitor');
    expect(cookies.map(({ name }) => name).toSorted()).toEqual([
      'bulkhead_scope',
      'bulkhead_visitor',
    ]);
    expect(cookie).toMatchObject({ name: 'bulkhead_visitor', httpOnly: true, sameSite: 'Lax' });
    const altered = `bulkhead_visitor=${cookie?.value.replace(/^./, (digit) => (digit === 'a' ? 'b' : 'a'))}`;

    const refused = await fetch(`${server.pageUrl}/api/assets`, { headers: { cookie: altered } });
    expect(refused.status).toBe(401);
    expect(await refused.json()).toMatchObject({ code: 'unauthenticated' });

    const welcomed = await fetch(server.pageUrl, { headers: { cookie: altered } });
    expect(welcomed.headers.get('set-cookie')).toMatch(/^bulkhead_visitor=[0-9a-f-]{36}\./);
    const known = await fetch(server.pageUrl, {
      headers: { cookie: `bulkhead_visitor=${cookie?.value}` },
    });
    expect(known.headers.get('set-cookie')).toBeNull();
  });

  it('serves the page under a policy that allows its own files and the store, nothing else', async () => {
    const response = await fetch(server.pageUrl);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("style-src 'self'");
    expect(policy).toContain(`connect-src 'self' ${server.storeUrl}`);
    expect(policy).not.toContain('unsafe-inline');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');

    const etag = response.headers.get('etag') ?? '';
    const again = await fetch(server.pageUrl, { headers: { 'if-none-match': etag } });
    expect(again.status).toBe(304);
    const outside = await fetch(`${server.pageUrl}/..%2f..%2fserver.ts`);
    expect(outside.status).toBe(404);
  });

  it('says that it is rate limited, waits, and goes on by itself', async () => {
    const { page } = visitor;
    let calls = 0;
    await page.route('**/api/upload-urls', async (route) => {
      calls += 1;
      if (calls > 1) return route.continue();
      const error = 'Too many uploads. Please wait 2s and try again';
      const problem = { type: 'about:blank', title: 'Too many uploads', status: 429 };
      return route.fulfill({
        status: 429,
        headers: { 'Retry-After': '2' },
        contentType: 'application/problem+json',
        body: JSON.stringify({
          ...problem,
          code: 'rate_limited',
          detail: error,
          error,
          retryAfter: 2,
        }),
      });
    });
    const files = await writePhotos(dir, ['second/one.jpg', 'second/two.jpg']);
    await writeLookAlike(files[0] ?? '', path.join(dir, 'second/three.jpg'));
    await page.setInputFiles(part('files-input'), path.join(dir, 'second/three.jpg'));
    await page.waitForSelector(part('banner'));
    expect(await page.textContent(part('banner'))).toMatch(
      /^Upload rate limited\. Retrying in [123] s…$/,
    );
    await whenDone(page);
    expect(await page.isVisible(part('banner'))).toBe(false);
    expect(calls).toBe(2);
    await page.unroute('**/api/upload-urls');
  });

  it('lists what failed by its cause, and brings it in on a retry', async () => {
    const { page } = visitor;
    // From here on, until it is loaded anew, this page sends small photos alone too.
    await page.route('**/api/upload-pack', (route) => route.fulfill({ status: 404 }));
    const isPut = (url: URL) => url.origin === server.storeUrl && url.searchParams.has('c');
    await page.route(isPut, (route) =>
      route.request().method() === 'PUT'
        ? route.fulfill({ status: 400, headers: { 'Access-Control-Allow-Origin': '*' } })
        : route.continue(),
    );
    await writeLookAlike(path.join(dir, NAMES[3] ?? ''), path.join(dir, 'second/unlucky.jpg'));
    await page.setInputFiles(part('files-input'), path.join(dir, 'second/unlucky.jpg'));
    await page.waitForSelector(part('cause'));
    expect(await page.textContent(part('cause'))).toMatch(/object store refused.*unlucky\.jpg/s);

    await page.unroute(isPut);
    await page.click(part('retry-all'));
    await page.waitForSelector(part('failures'), { state: 'hidden' });
    await page.waitForSelector('[aria-label="Open unlucky.jpg"]');
  });

  it('keeps what was sent when the rest is cancelled, after asking once', async () => {
    const { page } = visitor;
    const held: (() => void)[] = [];
    const isPut = (url: URL) => url.origin === server.storeUrl && url.searchParams.has('c');
    await page.route(isPut, async (route) => {
      await new Promise<void>((resolve) => held.push(resolve));
      // The page gave the request up meanwhile.
      await route.abort().catch(() => {});
    });
    await writeLookAlike(path.join(dir, NAMES[5] ?? ''), path.join(dir, 'second/never.jpg'));
    await page.setInputFiles(part('files-input'), path.join(dir, 'second/never.jpg'));
    await page.click(part('pause'));
    await page.waitForSelector('text=Paused.');
    await page.click(part('cancel'));
    await page.click(part('cancel-keep'));
    await page.click(part('cancel'));
    await page.click(part('cancel-confirm'));
    await whenDone(page);
    expect(await page.textContent(part('figures'))).toContain('1 cancelled');
    for (const release of held) release();
    await page.unroute(isPut);
    await page.unroute('**/api/upload-pack');
  });

  it('hashes a file too large for a buffer under its own policy', async () => {
    const { page } = visitor;
    await page.reload();
    await writeLargePng(path.join(dir, 'large.png'));
    await page.setInputFiles(part('files-input'), path.join(dir, 'large.png'));
    expect(await whenDone(page)).toBe('Your photo is in the library');
  });

  it('ends cleanly on a signal, and finds everything as it was when it starts again', async () => {
    const { page } = visitor;
    const before = (await ask(page, '/api/processing-stats')).stats;
    expect(visitor.errors).toEqual([]);
    const startedMs = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(6000);

    server = await DemoServer.start({ dir: server.dir });
    await page.goto(server.pageUrl);
    await page.waitForFunction(
      (count) => document.querySelectorAll('[data-testid=tile].is-loaded').length === count,
      before.total,
    );
    expect((await ask(page, '/api/processing-stats')).stats).toEqual(before);
    await page.fill('[data-testid=search]', 'lighthouse');
    await page.waitForSelector('text=2 photos for “lighthouse”');
  });

  it('names a port that is taken, and how to choose another', async () => {
    const { port } = new URL(server.pageUrl);
    const taken = DemoServer.start({ env: { PORT: port } });
    await expect(taken).rejects.toThrow(`Port ${port} is in use`);
  });
});
