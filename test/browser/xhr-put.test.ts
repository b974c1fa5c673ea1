import { beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';
import {
  connectFaultServer,
  type FaultAction,
  type FaultPoint,
  type FaultServerClient,
} from '../../src/testing/client.ts';
import { xhrPut } from '../../src/transports/xhr-put.ts';

let server: FaultServerClient;
beforeAll(async () => {
  server = await (await connectFaultServer(inject('faultServerUrl'))).spawn();
});
beforeEach(() => server.reset());

function photo(sizeBytes: number): File {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 31) % 251;
  return new File([bytes], 'photo.jpg', { type: 'image/jpeg' });
}

/** Stall timers twenty times as fast: a busy Firefox reports its first byte after over 300 ms. */
const hurried: Runtime = {
  ...systemRuntime(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs / 20),
};

async function sha256(body: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await body.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

interface Fault {
  at?: FaultPoint;
  do: FaultAction;
}

/** What the store got. */
async function seen() {
  const { requests, objects } = await server.state();
  return { puts: requests.filter(({ route }) => route === 'put'), objects };
}

async function put(
  body: Blob,
  faults: Fault | readonly Fault[] = [],
  runtime: Runtime = systemRuntime(),
) {
  const checksum = await sha256(body);
  const file = { filename: 'photo.jpg', mimeType: body.type, size: body.size, checksum };
  const credential = await server.sign(file);
  const rules = Array.isArray(faults) ? faults : [faults];
  await server.plan(rules.map((fault: Fault) => ({ match: { route: 'put' }, ...fault })));
  const progress: number[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  const onProgress = (sent: number) => void progress.push(sent);
  const outcome = xhrPut({ credential, body, signal, onProgress }, runtime);
  // Left to the test that looks: a promise in a promise would be awaited with it.
  outcome.catch(() => {});
  return { outcome, progress, controller, checksum };
}

describe('a PUT', () => {
  it('sends the very bytes of the file, with the credential’s headers', async () => {
    const { outcome, checksum } = await put(photo(3_000_000));
    expect(await outcome).toBe('stored');
    const { puts, objects } = await seen();
    expect(puts).toHaveLength(1);
    expect(objects).toMatchObject([{ checksum, contentType: 'image/jpeg', sizeBytes: 3_000_000 }]);
  });

  it('sends an empty file', async () => {
    const { outcome } = await put(photo(0));
    expect(await outcome).toBe('stored');
  });

  it('reports progress that grows up to the size of the file', async () => {
    const { outcome, progress } = await put(photo(5_000_000));
    await outcome;
    expect(progress.at(-1)).toBe(5_000_000);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it.each([
    [403, 'url_invalid'],
    [412, 'already_exists'],
    [500, 'internal'],
    [503, 'unavailable'],
    [400, 'store_refused'],
  ])('takes %s for %s', async (status, code) => {
    const { outcome } = await put(photo(10), { do: { status } });
    await expect(outcome).rejects.toMatchObject({ code });
  });

  it('reads how long a 429 asks to wait', async () => {
    const answer = { status: 429, headers: { 'retry-after': '7' } };
    const { outcome } = await put(photo(10), { do: answer });
    await expect(outcome).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 7_000 });
  });

  it('fails as network when the connection breaks amid the bytes', async () => {
    const { outcome } = await put(photo(30_000_000), { at: 'body:65536', do: 'reset' });
    await expect(outcome).rejects.toMatchObject({ code: 'network_failed', action: 'transient' });
  });

  it('does not know when the connection breaks after the last byte', async () => {
    // Firefox tells twenty times a second how much was sent.
    const { outcome } = await put(photo(100_000), [
      { at: 'after-body', do: { delayMs: 300 } },
      { at: 'after-body', do: 'reset' },
    ]);
    expect(await outcome).toBe('lost');
    const { puts, objects } = await seen();
    expect(puts[0]?.receivedBytes).toBe(100_000);
    expect(objects).toEqual([]);
  });

  it('is ended when no byte moves', async () => {
    const { outcome } = await put(photo(60_000_000), { at: 'body:1', do: 'hang' }, hurried);
    await expect(outcome).rejects.toMatchObject({ code: 'stalled', kind: 'network' });
  });

  it('gives the browser time to copy a large file before its first byte', async () => {
    const delays: number[] = [];
    const setTimer: Runtime['setTimer'] = (callback, delayMs) => {
      delays.push(delayMs);
      return setTimeout(callback, delayMs);
    };
    const { outcome } = await put(photo(8_000_000), [], { ...systemRuntime(), setTimer });
    await outcome;
    expect(delays[0]).toBe(32_000);
    expect(delays.slice(1).every((delayMs) => delayMs !== delays[0])).toBe(true);
  });

  it('does not know when the store is silent after the last byte', async () => {
    const { outcome } = await put(photo(1_000), { at: 'after-body', do: 'hang' }, hurried);
    expect(await outcome).toBe('lost');
  });

  it('ends at once when it is cancelled', async () => {
    const { outcome, controller } = await put(photo(60_000_000), { at: 'body:1', do: 'hang' });
    setTimeout(() => controller.abort(), 50);
    await expect(outcome).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('sends nothing when it was cancelled before', async () => {
    const body = photo(10);
    const checksum = await sha256(body);
    const credential = await server.sign({ filename: 'a.jpg', size: 10, checksum });
    const signal = AbortSignal.abort();
    const request = { credential, body, signal, onProgress: () => {} };
    await expect(xhrPut(request, systemRuntime())).rejects.toMatchObject({ code: 'cancelled' });
    // One of the test before may arrive only now.
    const { puts } = await seen();
    expect(puts.filter(({ key }) => key === credential.pathname)).toEqual([]);
  });
});
