import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BlobStore } from '../src/blobs/blob-store.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import {
  grantedOf,
  jpeg,
  startTestServer,
  type TestFile,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const EXPIRED_MS = 300_001;

const memory = memoryBlobStore();
/** Keys that were looked at, and those that were read whole. */
const looks: string[] = [];
const reads: string[] = [];
/** Vouches for no checksum, so that finalize has to read each object. */
const countingStore: BlobStore = {
  ...memory,
  signPut: async ({ key }) => ({ url: `https://store.test/${key}`, method: 'PUT', headers: {} }),
  signGet: async ({ key }) => `https://store.test/${key}`,
  async head(key) {
    looks.push(key);
    return memory.head(key);
  },
  async read(key) {
    reads.push(key);
    return memory.read(key);
  },
};

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({ blobStore: countingStore, limits: { maxBytesPerDay: 100_000 } });
});
afterAll(() => app?.close());

/** What is in the store, with a reservation whose time is over. */
async function late(user: TestUser, files: readonly TestFile[]): Promise<string[]> {
  const ids: string[] = [];
  for (const file of files) {
    const { assetId, pathname } = grantedOf((await user.reserve([file]))[0]);
    memory.objects.set(pathname, file.bytes);
    app.advance(EXPIRED_MS);
    ids.push(assetId);
  }
  return ids;
}
async function finalize(user: TestUser, ids: readonly string[]): Promise<(string | undefined)[]> {
  const uploads = ids.map((assetId) => ({ assetId }));
  const { results } = (await user.call('POST', '/api/upload-complete', { uploads })).body;
  return results.map((result: { success: boolean; error?: { code: string } }) =>
    result.success ? 'ok' : result.error?.code,
  );
}
const countOf = (list: readonly string[], id: string | undefined) =>
  list.filter((key) => key.endsWith(`/${id}`)).length;

describe('finalize beyond a daily quota', () => {
  test('does not read the object, however often it is asked again, and reads it once there is room', async () => {
    const user = app.user();
    const [full, waiting] = await late(user, [jpeg('a.jpg', 60_000), jpeg('b.jpg', 60_000)]);
    expect(await finalize(user, [full ?? ''])).toEqual(['ok']);
    for (let again = 0; again < 5; again++) {
      expect(await finalize(user, [waiting ?? ''])).toEqual(['quota_exceeded']);
    }
    expect([countOf(looks, waiting), countOf(reads, waiting)]).toEqual([0, 0]);
    app.advance(DAY_MS);
    expect(await finalize(user, [waiting ?? ''])).toEqual(['ok']);
    expect([countOf(reads, full), countOf(reads, waiting)]).toEqual([1, 1]);
  });

  test('reads those of a batch that fit by themselves, and those that did not fit together once', async () => {
    const user = app.user();
    const sizes = [40_000, 50_000, 30_000];
    const files = sizes.map((size) => jpeg('late.jpg', size));
    const [first, second, third] = await late(user, files);
    const ids = [first ?? '', second ?? '', third ?? ''];
    for (let again = 0; again < 3; again++) {
      expect(await finalize(user, ids)).toEqual(['ok', 'ok', 'quota_exceeded']);
    }
    expect(ids.map((id) => countOf(reads, id))).toEqual([1, 1, 1]);
  });

  test('at the same time gives every request the same answer', async () => {
    const user = app.user();
    const ids = await late(user, [jpeg('a.jpg', 60_000), jpeg('b.jpg', 60_000)]);
    const [first = '', second = ''] = ids;
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => finalize(user, [i % 2 === 0 ? first : second])),
    );
    const codes = [first, second].map(
      (_, at) => new Set(answers.filter((__, i) => i % 2 === at).flat()),
    );
    expect(codes.map((set) => set.size)).toEqual([1, 1]);
    expect(codes.flatMap((set) => [...set]).sort()).toEqual(['ok', 'quota_exceeded']);
  });
});
