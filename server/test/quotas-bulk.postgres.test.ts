import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BlobInfo, BlobStore } from '../src/blobs/blob-store.ts';
import { createBulkheadServer } from '../src/create-server.ts';
import type { OpenDatabase } from '../src/database/open-database.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { openTestDatabase } from './fixtures/databases.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

const FILES = 100_000;
const BATCH = 500;
const SIZE_BYTES = 5_000_000;

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.close());

/** A store that has every object as soon as it was granted: the first bytes of a JPEG. */
function createInstantStore(): BlobStore {
  const promised = new Map<string, BlobInfo>();
  return {
    ...memoryBlobStore(),
    async signPut({ key, sizeBytes, checksum }) {
      promised.set(key, { sizeBytes, checksum });
      return { url: `https://store.test/${key}`, method: 'PUT', headers: {} };
    },
    signGet: async ({ key }) => `https://store.test/${key}`,
    head: async (key) => promised.get(key),
    readStart: async () => Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46]),
  };
}

const queue: Queue = {
  async enqueue() {},
  async work() {},
  drain: async () => 0,
  depth: async () => 0,
  pending: async () => new Set<string>(),
  async start() {},
  async stop() {},
};

test('a hundred thousand files need 200 requests: a burst of 100 and ten minutes, and none fails', {
  timeout: 300_000,
}, async () => {
  let nowMs = Date.UTC(2026, 0, 1);
  const server = createBulkheadServer({
    database,
    blobStore: createInstantStore(),
    queue,
    authorize: async () => 'ada',
    logger: recordingLogger(),
    clock: () => nowMs,
    pressure: () => 0,
  });
  const post = async (path: string, body: unknown) => {
    const response = await server.fetch(
      new Request(`http://kit.test${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
    return { status: response.status, body: await response.json() };
  };
  const batch = (from: number) =>
    Array.from({ length: BATCH }, (_, i) => ({
      clientId: randomUUID(),
      filename: `${from + i}.jpg`,
      mimeType: 'image/jpeg',
      size: SIZE_BYTES,
      checksum: createHash('sha256')
        .update(String(from + i))
        .digest('hex'),
    }));

  const startMs = nowMs;
  let [granted, finalized, waits] = [0, 0, 0];
  for (let from = 0; from < FILES; from += BATCH) {
    const files = batch(from);
    let answer = await post('/api/upload-urls', { files });
    while (answer.status === 429) {
      expect(answer.body.code).toBe('rate_limited');
      waits += 1;
      nowMs += answer.body.retryAfter * 1000;
      answer = await post('/api/upload-urls', { files });
    }
    const credentials = answer.body.results.flatMap(
      (result: { status: string; credential?: { assetId: string } }) => result.credential ?? [],
    );
    granted += credentials.length;
    const uploads = credentials.map(({ assetId }: { assetId: string }) => ({ assetId }));
    const { body } = await post('/api/upload-complete', { uploads });
    finalized += body.results.filter(({ success }: { success: boolean }) => success).length;
  }
  await server.close();
  expect([granted, finalized]).toEqual([FILES, FILES]);
  expect(waits).toBe(100);
  expect((nowMs - startMs) / 60_000).toBeCloseTo(10, 3);
});
