import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { Page } from 'playwright';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Engine } from '../support/engines.ts';
import { type S3Site, startS3Site } from './s3-site.ts';

const SIZE_BYTES = 40 * 1024 * 1024;
/** Of 8 MiB, which is what the client begins with. */
const PARTS = [1, 2, 3, 4, 5];
/** What the first page gets through. */
const FIRST_PARTS = [1, 2];

let site: S3Site;
let engine: Engine;
let dir: string;
let file: string;

beforeAll(async () => {
  site = await startS3Site();
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
  await site?.close();
  if (dir) await rm(dir, { recursive: true, force: true });
});

/** Numbers of the parts whose PUT began on the page from now on. */
function watchParts(page: Page): Set<number> {
  const seen = new Set<number>();
  page.on('request', (request) => {
    const part = new URL(request.url()).searchParams.get('partNumber');
    if (request.method() === 'PUT') seen.add(part === null ? Number.NaN : Number(part));
  });
  return seen;
}

it('a large file that a reload interrupts goes on with the parts that are missing', async () => {
  const page = await engine.open(site.url);
  const arrived = new Set<number>();
  page.on('response', (response) => {
    const part = new URL(response.url()).searchParams.get('partNumber');
    if (part !== null && response.request().method() === 'PUT' && response.ok()) {
      arrived.add(Number(part));
    }
  });
  // The others wait, and end with the page.
  let isFirst = true;
  await page.route(`${site.storeUrl}/**`, (route) => {
    const part = new URL(route.request().url()).searchParams.get('partNumber');
    if (!isFirst || part === null || FIRST_PARTS.includes(Number(part))) return route.continue();
  });
  await site.start(page);
  await page.setInputFiles('#files', file);
  await expect.poll(() => [...arrived].sort(), { timeout: 60_000 }).toEqual(FIRST_PARTS);

  await page.reload();
  isFirst = false;
  const sent = watchParts(page);
  await site.start(page);
  await page.setInputFiles('#files', file);
  await expect.poll(site.assets, { timeout: 60_000 }).toHaveLength(1);
  const checksum = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  expect(await site.assets()).toEqual([{ filename: 'panorama.jpg', size: SIZE_BYTES, checksum }]);
  expect([...sent].sort()).toEqual(PARTS.filter((part) => !FIRST_PARTS.includes(part)));
  const { entries } = await site.store.list('u/');
  expect(entries.map(({ sizeBytes }) => sizeBytes)).toEqual([SIZE_BYTES]);
  const { Uploads: left } = await site.client.send(
    new ListMultipartUploadsCommand({ Bucket: site.bucket }),
  );
  expect(left ?? []).toEqual([]);
});
