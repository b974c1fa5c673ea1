import { describe, expect, inject, it } from 'vitest';
import { subtleHasher } from '../../src/hashing/subtle-hasher.ts';
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';
import { xhrPut } from '../../src/transports/xhr-put.ts';

let nextKey = 1;

function target(plan: string, extra = '') {
  const key = `xhr-${nextKey++}`;
  const credential = {
    uploadUrl: `${inject('storeUrl')}/${key}?plan=${plan}${extra}`,
    assetId: key,
    pathname: key,
    method: 'PUT',
    headers: { 'content-type': 'image/jpeg' },
    expiresAt: '',
    expiresInMs: 300_000,
  } as const;
  const seen = async (): Promise<{ requests: number; checksum: string | null; type: string }> =>
    (await fetch(`${inject('storeUrl')}/${key}`)).json();
  return { credential, seen };
}

function photo(sizeBytes: number): File {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 31) % 251;
  return new File([bytes], 'photo.jpg', { type: 'image/jpeg' });
}

/** Stall timers a hundred times as fast. */
const hurried: Runtime = {
  ...systemRuntime(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs / 100),
};

function put(plan: string, body: Blob, options: { runtime?: Runtime; extra?: string } = {}) {
  const { credential, seen } = target(plan, options.extra);
  const progress: number[] = [];
  const controller = new AbortController();
  const outcome = xhrPut(
    { credential, body, signal: controller.signal, onProgress: (sent) => progress.push(sent) },
    options.runtime ?? systemRuntime(),
  );
  return { outcome, progress, controller, seen };
}

describe('a PUT', () => {
  it('sends the very bytes of the file, with the credential’s headers', async () => {
    const body = photo(3_000_000);
    const { outcome, seen } = put('ok', body);
    expect(await outcome).toBe('stored');
    const checksum = await subtleHasher.hash(body, new AbortController().signal);
    expect(await seen()).toEqual({ requests: 1, checksum, type: 'image/jpeg' });
  });

  it('sends an empty file', async () => {
    expect(await put('ok', photo(0)).outcome).toBe('stored');
  });

  it('reports progress that grows up to the size of the file', async () => {
    const { outcome, progress } = put('ok', photo(5_000_000));
    await outcome;
    expect(progress.at(-1)).toBe(5_000_000);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it.each([
    ['status:403', 'url_invalid'],
    ['status:412', 'already_exists'],
    ['status:500', 'internal'],
    ['status:503', 'unavailable'],
    ['status:400', 'store_refused'],
  ])('takes %s for %s', async (plan, code) => {
    await expect(put(plan, photo(10)).outcome).rejects.toMatchObject({ code });
  });

  it('reads how long a 429 asks to wait', async () => {
    const { outcome } = put('status:429', photo(10), { extra: '&retry-after=7' });
    await expect(outcome).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 7_000 });
  });

  it('fails as network when the connection breaks amid the bytes', async () => {
    await expect(put('reset-mid-body', photo(30_000_000)).outcome).rejects.toMatchObject({
      code: 'network_failed',
      action: 'transient',
    });
  });

  it('does not know when the connection breaks after the last byte', async () => {
    const { outcome, seen } = put('reset-after-body', photo(100_000));
    expect(await outcome).toBe('lost');
    expect((await seen()).checksum).toHaveLength(64);
  });

  it('is ended when no byte moves', async () => {
    const { outcome } = put('hang-mid-body', photo(60_000_000), { runtime: hurried });
    await expect(outcome).rejects.toMatchObject({ code: 'stalled', kind: 'network' });
  });

  it('does not know when the store is silent after the last byte', async () => {
    const { outcome } = put('hang-after-body', photo(1_000), { runtime: hurried });
    expect(await outcome).toBe('lost');
  });

  it('ends at once when it is cancelled', async () => {
    const { outcome, controller } = put('hang-mid-body', photo(60_000_000));
    setTimeout(() => controller.abort(), 50);
    await expect(outcome).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('sends nothing when it was cancelled before', async () => {
    const { credential, seen } = target('ok');
    const signal = AbortSignal.abort();
    const request = { credential, body: photo(10), signal, onProgress: () => {} };
    await expect(xhrPut(request, systemRuntime())).rejects.toMatchObject({ code: 'cancelled' });
    expect((await seen()).requests).toBe(0);
  });
});
