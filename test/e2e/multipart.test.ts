import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  ListMultipartUploadsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findOrStartS3 } from '../../scripts/swift.mjs';
import { createS3Store, type S3Store } from '../../server/src/blobs/s3-store.ts';
import { startTestServer, type TestServer } from '../../server/test/fixtures/test-server.ts';
import type * as Bulkhead from '../../src/index.ts';
import type { Uploader } from '../../src/index.ts';
import { Engine } from '../support/engines.ts';

declare const window: Window & { Bulkhead: typeof Bulkhead; uploader: Uploader };

const SIZE_BYTES = 40 * 1024 * 1024;
/** Of 8 MiB, which is what the client begins with. */
const PARTS = [1, 2, 3, 4, 5];
/** What the first page gets through. */
const FIRST_PARTS = [1, 2];
const SCRIPT = path.resolve(import.meta.dirname, '../../dist/bulkhead.global.js');

const HTML = `<!doctype html>
<meta charset="utf-8">
<title>Parts</title>
<input id="files" type="file" autocomplete="off">
<script src="/bulkhead.global.js"></script>
<script>
  document.querySelector('input').onchange = ({ target }) => window.uploader.add([...target.files]);
</script>`;

let s3: Awaited<ReturnType<typeof findOrStartS3>>;
let client: S3Client;
let store: S3Store;
let site: Server;
let app: TestServer;
let engine: Engine;
let dir: string;
let file: string;
const bucket = `bulkhead-test-${randomUUID()}`;

beforeAll(async () => {
  s3 = await findOrStartS3();
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  // The SDK writes into the one that it is given.
  const credentials = () => ({ accessKeyId, secretAccessKey });
  client = new S3Client({ endpoint, region, credentials: credentials(), forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  const createOnly = !s3.isSwift;
  store = createS3Store({ bucket, endpoint, region, credentials: credentials(), createOnly });
  site = createServer(async (request, response) => {
    const isScript = request.url === '/bulkhead.global.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? await readFile(SCRIPT) : HTML);
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  app = await startTestServer({
    blobStore: store,
    authorize: async () => 'ada',
    allowedOrigins: [siteOrigin()],
  });
  dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-parts-'));
  file = path.join(dir, 'panorama.jpg');
  const bytes = randomBytes(SIZE_BYTES);
  bytes.set([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46]);
  await writeFile(file, bytes);
  // Years ago, as photos are: a file of just now may still be written to.
  await utimes(file, 1_600_000_000, 1_600_000_000);
  engine = await Engine.create('chromium');
});

afterAll(async () => {
  await engine?.close();
  await app?.close();
  site?.closeAllConnections();
  site?.close();
  if (store) {
    const { entries } = await store.list('u/');
    await store.delete(entries.map(({ key }) => key));
    await client.send(new DeleteBucketCommand({ Bucket: bucket }));
    store.close();
    client.destroy();
  }
  await s3?.stop();
  if (dir) await rm(dir, { recursive: true, force: true });
});

function siteOrigin(): string {
  return `http://localhost:${(site.address() as AddressInfo).port}`;
}

/** Numbers of the parts whose PUT began on the page from now on. */
function watchParts(page: Page): Set<number> {
  const seen = new Set<number>();
  page.on('request', (request) => {
    const part = new URL(request.url()).searchParams.get('partNumber');
    if (request.method() === 'PUT') seen.add(part === null ? Number.NaN : Number(part));
  });
  return seen;
}

const start = (page: Page) =>
  page.evaluate(async (baseUrl) => {
    const { createUploader, bulkheadAdapter } = window.Bulkhead;
    window.uploader = createUploader({ adapter: bulkheadAdapter({ baseUrl }) });
    for (const { id, state } of await window.uploader.sessions.refresh()) {
      if (state === 'interrupted') await window.uploader.sessions.resume(id);
    }
  }, app.apiUrl);

it('a large file that a reload interrupts goes on with the parts that are missing', async () => {
  const page = await engine.open(siteOrigin());
  const arrived = new Set<number>();
  page.on('response', (response) => {
    const part = new URL(response.url()).searchParams.get('partNumber');
    if (part !== null && response.request().method() === 'PUT' && response.ok()) {
      arrived.add(Number(part));
    }
  });
  // The others wait, and end with the page.
  let isFirst = true;
  await page.route(`${s3.endpoint}/**`, (route) => {
    const part = new URL(route.request().url()).searchParams.get('partNumber');
    if (!isFirst || part === null || FIRST_PARTS.includes(Number(part))) return route.continue();
  });
  await start(page);
  await page.setInputFiles('#files', file);
  await expect.poll(() => [...arrived].sort(), { timeout: 60_000 }).toEqual(FIRST_PARTS);

  await page.reload();
  isFirst = false;
  const sent = watchParts(page);
  await start(page);
  await page.setInputFiles('#files', file);
  const assets = () =>
    app.database.db.selectFrom('assets').select(['filename', 'size', 'checksum']).execute();
  await expect.poll(assets, { timeout: 60_000 }).toHaveLength(1);
  const checksum = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  expect(await assets()).toEqual([{ filename: 'panorama.jpg', size: SIZE_BYTES, checksum }]);
  expect([...sent].sort()).toEqual(PARTS.filter((part) => !FIRST_PARTS.includes(part)));
  const { entries } = await store.list('u/');
  expect(entries.map(({ sizeBytes }) => sizeBytes)).toEqual([SIZE_BYTES]);
  const left = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  expect(left.Uploads ?? []).toEqual([]);
});
