import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createEmbeddedServer, type EmbeddedServer } from '@bulkhead/server';
import { type Browser, chromium } from 'playwright';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';

const EXAMPLE = path.resolve(import.meta.dirname, '../../examples/script-tag');
const DIST = path.resolve(import.meta.dirname, '../../dist');
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

let site: Server;
let pageUrl: string;
let dir: string;
let server: EmbeddedServer;
let browser: Browser;
/** Changes what the plain file server sends. */
let rewrite: (name: string, text: string) => string = (_, text) => text;

beforeAll(async () => {
  // A plain file server: no headers but the type.
  site = createServer(async (request, response) => {
    const name = path.basename(new URL(request.url ?? '/', 'http://page').pathname) || 'index.html';
    const folder = name.startsWith('bulkhead') || name === 'hash-worker.js' ? DIST : EXAMPLE;
    const text = await readFile(path.join(folder, name), 'utf8').catch(() => undefined);
    response.writeHead(text === undefined ? 404 : 200, {
      'content-type': TYPES[path.extname(name)] ?? 'application/octet-stream',
    });
    response.end(text && rewrite(name, text));
  });
  await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening));
  pageUrl = `http://localhost:${(site.address() as AddressInfo).port}`;
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-script-tag-'));
  server = await createEmbeddedServer({
    dir,
    authorize: async () => 'visitor',
    allowedOrigins: [pageUrl],
  });
  await server.start();
  const { apiUrl, storeUrl } = await server.listen({ apiPort: 0, storePort: 0 });
  const integrity = JSON.parse(await readFile(path.join(DIST, 'sri.json'), 'utf8'));
  rewrite = (_, text) =>
    text
      .replaceAll('http://localhost:3000', apiUrl)
      .replaceAll('http://localhost:3001', storeUrl)
      .replace(
        'src="bulkhead.global.js"',
        `src="bulkhead.global.js" integrity="${integrity['bulkhead.global.js']}"`,
      );
  const executablePath = findChromium();
  browser = await chromium.launch({
    args: CHROMIUM_FLAGS,
    ...(executablePath ? { executablePath } : {}),
  });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  site?.closeAllConnections();
  await new Promise((closed) => site?.close(closed));
  await server?.close();
  if (dir) await rm(dir, { recursive: true, force: true });
});

async function photo(at: number): Promise<{ name: string; mimeType: string; buffer: Buffer }> {
  const background = { r: (at * 37) % 256, g: (at * 91) % 256, b: 120 };
  const image = sharp({ create: { width: 80, height: 60, channels: 3, background } });
  return { name: `photo-${at}.jpg`, mimeType: 'image/jpeg', buffer: await image.jpeg().toBuffer() };
}

describe('the page of examples/script-tag', () => {
  it('brings photos to a server of another origin, under its policy and with its script’s hash', async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // A page without a favicon is no complaint of ours.
      if (message.type() !== 'error' || message.location().url.endsWith('/favicon.ico')) return;
      complaints.push(message.text());
    });
    await page.goto(pageUrl);
    await page.getByLabel('Photos').setInputFiles(await Promise.all([1, 2, 3, 4, 5].map(photo)));
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
      .toBe('Uploaded 5 · processed 5 · searchable 5 of 5');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('starts the worker beside its script for large files', async () => {
    const page = await browser.newPage();
    const workers: string[] = [];
    page.on('worker', (worker) => workers.push(worker.url()));
    await page.goto(pageUrl);
    const name = 'large.jpg';
    await page
      .getByLabel('Photos')
      .setInputFiles([{ name, mimeType: 'image/jpeg', buffer: Buffer.alloc(12_000_000, 7) }]);
    await expect.poll(() => workers, { timeout: 30_000 }).toEqual([`${pageUrl}/hash-worker.js`]);
    // It is no image, so the server refuses it, after it was hashed without WASM and stored.
    await expect
      .poll(() => page.getByRole('status').textContent(), { timeout: 60_000 })
      .toContain('1 failed');
    await page.close();
  });

  it('does not run a script that was altered', async () => {
    const before = rewrite;
    rewrite = (name, text) => (name === 'bulkhead.global.js' ? `${text}\n` : before(name, text));
    const page = await browser.newPage();
    await page.goto(pageUrl);
    expect(await page.evaluate(() => 'Bulkhead' in window)).toBe(false);
    rewrite = before;
    await page.close();
  });
});
