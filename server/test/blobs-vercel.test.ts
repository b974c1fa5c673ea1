import { randomUUID } from 'node:crypto';
import { put as putFromBrowser } from '@vercel/blob/client';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { BlobStoreUnusableError } from '../src/blobs/blob-store.ts';
import { originalKey } from '../src/blobs/keys.ts';
import { createVercelBlobStore } from '../src/blobs/vercel-blob-store.ts';
import { OptionsError } from '../src/config.ts';
import { describeBlobStore } from './fixtures/describe-blob-store.ts';
import { sha256 } from './fixtures/test-server.ts';
import { startVercelBlobService } from './fixtures/vercel-blob-service.ts';

/** The official client goes where this variable says; one store at a time, then. */
async function startStore(access: 'private' | 'public') {
  const service = await startVercelBlobService(access);
  process.env.VERCEL_BLOB_API_URL = service.apiUrl;
  const store = createVercelBlobStore({
    token: service.token,
    access,
    blobOrigin: service.origin,
    clock: () => Date.now(),
  });
  return {
    service,
    store,
    // The official client looks at the clock itself.
    inThePast: async <T>(work: () => Promise<T>) => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 301_000 });
      try {
        return await work();
      } finally {
        vi.useRealTimers();
      }
    },
    list: async () => [...service.objects.keys()],
    close: () => service.close(),
  };
}
afterAll(() => {
  delete process.env.VERCEL_BLOB_API_URL;
});

for (const access of ['private', 'public'] as const) {
  describeBlobStore(
    `Vercel Blob, ${access}, on a stand-in of the service`,
    {
      createOnly: true,
      verifiesUploads: false,
      reportsChecksums: false,
      expiringReads: access === 'private',
      namesDownloads: false,
      isLocal: false,
    },
    () => startStore(access),
  );
}

describe('Vercel Blob', () => {
  test('a permit is the request that the official client makes in browsers', async () => {
    const { service, store, close } = await startStore('private');
    const bytes = new TextEncoder().encode('as the client does') as Uint8Array<ArrayBuffer>;
    const keys = [randomUUID(), randomUUID()].map((id) => originalKey('ada', id, Date.now()));
    const permits = await Promise.all(
      keys.map((key) =>
        store.signPut({
          key,
          sizeBytes: bytes.length,
          checksum: sha256(bytes),
          contentType: 'image/png',
          expiresInSeconds: 300,
        }),
      ),
    );
    const [ours, theirs] = permits;
    await fetch(ours?.url ?? '', { method: 'PUT', headers: ours?.headers ?? {}, body: bytes });
    await putFromBrowser(keys[1] ?? '', Buffer.from(bytes), {
      access: 'private',
      contentType: 'image/png',
      token: (theirs?.headers.authorization ?? '').replace('Bearer ', ''),
    });
    const [sent, official] = service.requests.slice(-2);
    const own = ({ headers = {} }: { headers?: Record<string, unknown> } = {}) =>
      Object.fromEntries(
        Object.entries(headers)
          .filter(([name]) => name.startsWith('x-'))
          // Different in every request.
          .map(([name, value]) => [name, name === 'x-api-blob-request-id' ? 'an id' : value]),
      );
    expect(own(sent)).toEqual(own(official));
    const address = (url: string | undefined, key = '') =>
      (url ?? '').replace(encodeURIComponent(key), 'the key');
    expect(address(sent?.url, keys[0])).toBe(address(official?.url, keys[1]));
    expect([sent?.method, official?.method]).toEqual(['PUT', 'PUT']);
    expect([...service.objects.keys()].sort()).toEqual(keys.toSorted());
    await close();
  });

  test('the owner’s token is in no permit and no URL', async () => {
    const { service, store, close } = await startStore('private');
    const key = originalKey('ada', randomUUID(), Date.now());
    const permit = await store.signPut({
      key,
      sizeBytes: 5,
      checksum: sha256(new Uint8Array(5)),
      contentType: 'image/png',
      expiresInSeconds: 300,
    });
    const read = await store.signGet({ key, expiresInSeconds: 60, contentType: 'image/png' });
    expect(JSON.stringify([permit, read])).not.toContain(service.token.split('_')[4]);
    await close();
  });

  test('says what is wrong with a token that the service refuses, without telling it', async () => {
    const { service, close } = await startStore('private');
    const token = `${service.token}x`;
    const error = await createVercelBlobStore({ token })
      .ping()
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BlobStoreUnusableError);
    expect(String(error)).toMatch(/check the option token/);
    expect(String(error)).not.toContain(token);
    expect(() => createVercelBlobStore({ token: 'secret' })).toThrow(OptionsError);
    await close();
  });
});
