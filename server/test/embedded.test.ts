import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Asset } from 'bulkhead/protocol';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  createEmbeddedServer,
  DirectoryLockedError,
  type EmbeddedServer,
  type Listening,
} from '../src/index.ts';
import { silentLogger } from '../src/logging.ts';
import { photo } from './fixtures/images.ts';
import { jpeg, promiseOf, putTo, type TestFile } from './fixtures/test-server.ts';

const SECRET = 'a-secret-of-more-than-32-characters-for-both';
let dir: string;
let server: EmbeddedServer;
let listening: Listening;

const start = async () => {
  server = await createEmbeddedServer({
    dir,
    authorize: async (request) => request.headers.get('x-user'),
    logger: silentLogger,
    cronSecret: SECRET,
    operatorToken: SECRET,
  });
  listening = await server.listen();
  await server.start();
};
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bulkhead-embedded-'));
  await start();
});
afterAll(async () => {
  await server?.close();
  await rm(dir, { recursive: true });
});

const call = async (path: string, body?: object) => {
  const response = await fetch(`${listening.apiUrl}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'x-user': 'ada', 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return response.json();
};
const upload = async (files: TestFile[]) => {
  const { results } = await call('/api/upload-urls', { files: files.map(promiseOf) });
  const ids: string[] = [];
  for (const [index, file] of files.entries()) {
    await putTo(results[index].credential, file.bytes);
    ids.push(results[index].credential.assetId);
  }
  await call('/api/upload-complete', { uploads: ids.map((assetId) => ({ assetId })) });
  return ids;
};
const photoFile = async (seed: number): Promise<TestFile> => ({
  ...jpeg(`photo-${seed}.jpg`),
  bytes: new Uint8Array(await photo(seed).jpeg().toBuffer()),
});

test('photos become searchable, with thumbnails and likeness; a damaged one stops nothing', async () => {
  const files = await Promise.all([1, 2, 3].map(photoFile));
  const damaged = {
    ...jpeg('damaged.jpg'),
    bytes: new Uint8Array(files[0]?.bytes.slice(0, 900) ?? []),
  };
  const ids = await upload([...files, damaged]);
  await expect
    .poll(async () => (await call('/api/processing-stats')).stats, { timeout: 30_000 })
    .toEqual({ total: 4, uploaded: 4, processed: 3, embedded: 3, failed: 1 });
  const { assets } = (await call('/api/assets')) as { assets: Asset[] };
  const byId = new Map(assets.map((asset) => [asset.id, asset]));
  for (const id of ids.slice(0, 3)) {
    const asset = byId.get(id);
    expect(asset).toMatchObject({ stage: 'searchable', width: 320, height: 240 });
    const thumbnail = await fetch(asset?.thumbnailUrl ?? '');
    const bytes = new Uint8Array(await thumbnail.arrayBuffer());
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'webp', width: 256 });
  }
  expect(byId.get(ids[3] ?? '')).toMatchObject({
    stage: 'failed',
    processingError: { code: 'undecodable' },
  });
  const like = await call(`/api/search?like=${ids[0]}`);
  expect(like.results).toHaveLength(2);
  const words = await call('/api/search?q=photo%202');
  expect(words.results.map(({ asset }: { asset: Asset }) => asset.id)).toEqual([ids[1]]);
});

test('a second server on the same directory is refused', async () => {
  await expect(
    createEmbeddedServer({ dir, authorize: async () => null, logger: silentLogger }),
  ).rejects.toThrow(DirectoryLockedError);
});

test('has the operator’s page and the cron’s routes, beside its own workers', async () => {
  const headers = { authorization: `Bearer ${SECRET}` };
  expect((await fetch(`${listening.apiUrl}/admin`)).status).toBe(200);
  const status = await fetch(`${listening.apiUrl}/admin/api/status`, { headers });
  expect(await status.json()).toMatchObject({
    workers: [{ pid: process.pid, isAlive: true }],
    sweeps: [{ name: 'uploads', error: null }],
  });
  const slice = await fetch(`${listening.apiUrl}/api/cron/process-images`, {
    method: 'POST',
    headers,
  });
  expect(await slice.json()).toMatchObject({ failed: 0, remaining: 0 });
});

test('the secret is kept, for its owner only, so that URLs outlive a restart', async () => {
  const path = join(dir, 'secret');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await readFile(path, 'utf8')).length).toBe(64);
});

test('closes quickly though streams and idle connections are open; then all is as it was', async () => {
  const [id = ''] = await upload([await photoFile(9)]);
  const { asset: before } = await call(`/api/assets/${id}`);
  const stream = await fetch(`${listening.apiUrl}/api/sse/processing-updates`, {
    headers: { 'x-user': 'ada' },
  });
  const startedMs = performance.now();
  await server.close();
  expect(performance.now() - startedMs).toBeLessThan(10_000);
  await stream.text();
  await start();
  await expect
    .poll(async () => (await call(`/api/assets/${id}`)).asset.stage, { timeout: 20_000 })
    .toBe('searchable');
  const { asset } = await call(`/api/assets/${id}`);
  // Another free port, the same signature.
  expect(new URL(asset.blobUrl).search).toBe(new URL(before.blobUrl).search);
  expect((await fetch(asset.blobUrl)).status).toBe(200);
});

test('an upload that hangs is not cut off, and does not hold up the close for ever', async () => {
  const file = jpeg('slow.jpg', 5000);
  const { results } = await call('/api/upload-urls', { files: [promiseOf(file)] });
  const { uploadUrl, headers } = results[0].credential;
  const request = httpRequest(uploadUrl, {
    method: 'PUT',
    headers: { ...headers, 'content-length': 5000 },
  });
  const failed = new Promise((resolve) => request.on('error', resolve));
  request.write(file.bytes.subarray(0, 100));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedMs = performance.now();
  await server.close();
  await failed;
  expect(performance.now() - startedMs).toBeLessThan(15_000);
});
