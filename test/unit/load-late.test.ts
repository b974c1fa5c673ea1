import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PutRequest } from '../../src/transports/adapter.ts';
import { loadLate } from '../../src/transports/load-late.ts';
import { s3PresignedAdapter } from '../../src/transports/s3-presigned-adapter.ts';
import { s3TemporaryCredentialsAdapter } from '../../src/transports/s3-temporary-credentials-adapter.ts';

/** Fails so often, then gives what it was asked for. */
function loader(failures: number) {
  let calls = 0;
  const load = async () => {
    calls += 1;
    if (calls <= failures) throw new TypeError('Failed to fetch dynamically imported module');
    return { word: 'loaded' };
  };
  return { load, calls: () => calls };
}

afterEach(() => vi.unstubAllGlobals());

describe('what is loaded late', () => {
  it('is loaded once, by the first call', async () => {
    const { load, calls } = loader(0);
    const part = loadLate(load, ({ word }) => ({ word }));
    expect([part.current, calls()]).toEqual([undefined, 0]);
    const [one, other] = await Promise.all([part.get(), part.get()]);
    expect(one).toBe(other);
    expect([await part.current, calls()]).toEqual([{ word: 'loaded' }, 1]);
  });

  it('fails as the network does while the page’s host is away, and the next call tries again', async () => {
    vi.stubGlobal('location', { href: 'http://page.test/a' });
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    const part = loadLate(loader(1).load, ({ word }) => word);
    const waiting = [part.get(), part.get()];
    for (const result of await Promise.allSettled(waiting)) {
      expect(result).toMatchObject({ reason: { code: 'network_failed', action: 'transient' } });
    }
    expect(part.current).toBeUndefined();
    expect(await part.get()).toBe('loaded');
  });

  it('fails at the upload’s cost where the page’s host answers: waiting would not help', async () => {
    const asked: unknown[] = [];
    vi.stubGlobal('location', { href: 'http://page.test/a' });
    vi.stubGlobal('fetch', async (url: URL) => {
      asked.push(url.href);
      return new Response();
    });
    const part = loadLate(loader(1).load, ({ word }) => word);
    await expect(part.get()).rejects.toMatchObject({
      ...{ code: 'unexpected_response', kind: 'server', action: 'transient' },
      cause: { name: 'TypeError' },
    });
    expect(asked).toEqual(['http://page.test/']);
  });
});

describe('parts of large files in S3’s kind of store', () => {
  const items = new Map<string, string>();
  const aborted: unknown[] = [];
  const open = { key: 'a/b', uploadId: 'u1' };
  const token = JSON.stringify({
    atMs: Date.now(),
    value: { ...open, partSizeBytes: 8_388_608, checksum: 'a'.repeat(64) },
  });
  const presigned = () =>
    s3PresignedAdapter({
      sign: async () => [],
      createMultipart: async () => {
        throw new Error('opened');
      },
      signParts: async () => [],
      listParts: async () => undefined,
      completeMultipart: async () => {},
      abortMultipart: async (known) => void aborted.push(known),
    });
  const credential = {
    ...{ uploadUrl: 'http://store.test/a/b', assetId: 'a/b', pathname: 'a/b' },
    ...{ method: 'PUT' as const, headers: {} },
    ...{ expiresAt: '2100-01-01T00:00:00Z', expiresInMs: 60_000 },
  };

  beforeEach(() => {
    items.clear();
    aborted.length = 0;
    vi.stubGlobal('localStorage', {
      getItem: (name: string) => items.get(name) ?? null,
      removeItem: (name: string) => void items.delete(name),
    });
  });

  it('that an earlier page sent are forgotten, by a page that sent none', async () => {
    items.set('bulkhead:resume:s3-presigned:a/b', token);
    await presigned().abort?.(credential);
    expect(aborted).toMatchObject([open]);
    expect([...items.keys()]).toEqual([]);
  });

  it('that an earlier page sent with temporary keys are forgotten as well', async () => {
    items.set('bulkhead:resume:s3:photos:a/b', token);
    const requests: string[] = [];
    vi.stubGlobal('fetch', async (url: string, { method = '' }: RequestInit) => {
      requests.push(`${method} ${url}`);
      return new Response(null, { status: 204 });
    });
    const adapter = s3TemporaryCredentialsAdapter({
      ...{ bucket: 'photos', region: 'auto', endpoint: 'http://store.test', key: () => 'a/b' },
      credentials: async () => ({
        ...{ accessKeyId: 'a', secretAccessKey: 'b', expiresAt: '2100-01-01T00:00:00Z' },
      }),
    });
    await adapter.abort?.(credential);
    expect(requests).toEqual(['DELETE http://store.test/photos/a/b?uploadId=u1']);
    expect([...items.keys()]).toEqual([]);
  });

  it('are nobody’s matter when a file that went whole is given up', async () => {
    items.set('bulkhead:resume:s3-presigned:a/c', token);
    await presigned().abort?.(credential);
    expect([aborted, items.size]).toEqual([[], 1]);
  });

  it('are not opened for a file that was given up while the code was loaded', async () => {
    const controller = new AbortController();
    const body = new Blob([new Uint8Array(16 * 1024 * 1024)]);
    const request: PutRequest = {
      upload: {
        ...{ id: '1', name: 'a', path: 'a', mimeType: '', sizeBytes: body.size },
        checksum: 'a'.repeat(64),
      },
      ...{ credential, body, signal: controller.signal, onProgress: () => {} },
    };
    const adapter = presigned();
    const put = adapter.put(request);
    const failed = expect(put).rejects.toMatchObject({ code: 'cancelled' });
    controller.abort();
    await adapter.abort?.(credential);
    await failed;
    expect(aborted).toEqual([]);
  });
});
