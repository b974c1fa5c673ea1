import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { type Browser, chromium } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM_FLAGS, findChromium } from '../../scripts/chromium.mjs';
import { createFaultServer, type FaultServer } from '../../src/testing/index.ts';

const DIST = path.resolve(import.meta.dirname, '../../dist');
/** A name that is not the loopback's: pages by plain http from there have no WebCrypto. */
const PLAIN_HOST = 'plain.test';
/** Above what the page itself hashes when it has a worker. */
const LARGE_BYTES = 12_000_000;

let backend: FaultServer;
let site: Server;
let port: number;
let browser: Browser;
/** Of the page that is served next. */
let policy = '';
let scriptHost = '';

beforeAll(async () => {
  backend = await createFaultServer({ processing: { processMs: 5, embedMs: 5 } });
  site = createServer(async (request, response) => {
    const name = path.basename(new URL(request.url ?? '/', 'http://page').pathname);
    if (name === '') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.setHeader('content-security-policy', policy);
      response.end(
        `<!doctype html><title>CSP</title><script src="${scriptHost}/bulkhead.global.js"></script>`,
      );
      return;
    }
    const script = await readFile(path.join(DIST, name)).catch(() => undefined);
    response.setHeader('content-type', 'text/javascript; charset=utf-8');
    // A worker has the policy that its own script came with.
    response.setHeader('content-security-policy', policy);
    response.setHeader('access-control-allow-origin', '*');
    response.writeHead(script ? 200 : 404);
    response.end(script);
  });
  await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening));
  port = (site.address() as AddressInfo).port;
  const executablePath = findChromium();
  browser = await chromium.launch({
    args: [...CHROMIUM_FLAGS, `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`],
    ...(executablePath ? { executablePath } : {}),
  });
});

afterAll(async () => {
  await browser?.close();
  site?.closeAllConnections();
  await new Promise((closed) => site?.close(closed));
  await backend?.close();
});

const SCRIPTS = "script-src 'self' http://localhost:*";
const WASM = "'wasm-unsafe-eval'";

describe('the script tag hashes', () => {
  it.each([
    { where: 'on a page that forbids nothing', host: 'localhost', csp: '', workers: true },
    {
      where: 'where WASM is forbidden',
      host: PLAIN_HOST,
      csp: SCRIPTS,
      workers: true,
      hashing: 'WebAssembly is forbidden here',
    },
    {
      where: 'where workers are forbidden',
      host: PLAIN_HOST,
      csp: `${SCRIPTS} ${WASM}; worker-src 'none'`,
      workers: false,
    },
    {
      where: 'where both are forbidden',
      host: PLAIN_HOST,
      csp: `${SCRIPTS}; worker-src 'none'`,
      workers: false,
    },
    { where: 'by plain http', host: PLAIN_HOST, csp: '', workers: true },
    { where: 'from another origin', host: 'localhost', csp: '', workers: true, isForeign: true },
    {
      where: 'from another origin, where that may not be a worker’s',
      host: 'localhost',
      csp: `${SCRIPTS} ${WASM}; worker-src 'self'`,
      workers: false,
      isForeign: true,
    },
  ])('$where', async ({ host, csp, workers, isForeign = false, hashing }) => {
    await backend.reset();
    policy = csp;
    scriptHost = isForeign ? `http://127.0.0.1:${port}` : '';
    if (isForeign && csp !== '') policy = csp.replace(SCRIPTS, `${SCRIPTS} ${scriptHost}`);
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    let started = 0;
    page.on('worker', () => {
      started += 1;
    });
    await page.goto(`http://${host}:${port}/`);
    const result = await page.evaluate(
      async ({ url, largeBytes }) => {
        const { createUploader, bulkheadAdapter } = (
          window as unknown as { Bulkhead: typeof import('../../src/index.ts') }
        ).Bulkhead;
        const uploader = createUploader({ adapter: bulkheadAdapter({ baseUrl: url }) });
        const bytesOf = (count: number) => Uint8Array.from({ length: count }, (_, at) => at % 251);
        const files = [20_000, largeBytes].map(
          (count) => new File([bytesOf(count)], `${count}.jpg`, { type: 'image/jpeg' }),
        );
        await uploader.add(files);
        const { searchable, failed } = await uploader.done();
        const { checks } = await uploader.diagnose();
        uploader.destroy();
        return {
          searchable,
          failed,
          hasWebCrypto: crypto.subtle !== undefined,
          hashing: checks.find(({ name }) => name === 'hashing')?.detail,
        };
      },
      { url: backend.url, largeBytes: LARGE_BYTES },
    );
    // The store verifies each checksum: what arrived was hashed right.
    expect(result).toEqual({
      searchable: 2,
      failed: 0,
      hasWebCrypto: host === 'localhost',
      hashing: expect.stringContaining(
        hashing ?? (workers ? 'A checksum was computed' : 'hashed in the page'),
      ),
    });
    expect(started > 0).toBe(workers);
    expect(errors).toEqual([]);
    await page.close();
  });
});
