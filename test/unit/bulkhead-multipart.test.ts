import { HttpResponse, http } from 'msw';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { PutRequest } from '../../src/transports/adapter.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';

const BASE = 'http://bulkhead.test';
const STORE = 'http://store.test';
const MIB = 1024 * 1024;
const server = setupServer();
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

/** A browser's, as far as a PUT needs it: over fetch. */
class FakeXhr {
  status = 0;
  responseText = '';
  responseURL = '';
  withCredentials = false;
  readonly upload: Record<string, unknown> = {};
  onload?: () => void;
  onerror?: () => void;
  #url = '';
  #method = '';
  readonly #headers: Record<string, string> = {};
  open(method: string, url: string) {
    [this.#method, this.#url] = [method, url];
  }
  setRequestHeader(name: string, value: string) {
    this.#headers[name] = value;
  }
  getResponseHeader() {
    return null;
  }
  abort() {}
  send(body: Blob) {
    void fetch(this.#url, { method: this.#method, headers: this.#headers, body }).then(
      async (response) => {
        this.status = response.status;
        this.responseText = await response.text();
        this.onload?.();
      },
      () => this.onerror?.(),
    );
  }
}

const assetId = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const fileBytes = 20 * MIB;
const body = new Blob([new Uint8Array(fileBytes)]);

function request(): PutRequest {
  return {
    upload: {
      ...{ id: 'client-1', name: 'a.mov', path: 'a.mov', mimeType: 'video/quicktime' },
      ...{ sizeBytes: fileBytes, checksum: 'a'.repeat(64) },
    },
    credential: {
      ...{ uploadUrl: `${STORE}/whole`, assetId, pathname: 'whole', method: 'PUT', headers: {} },
      ...{ expiresAt: '2100-01-01T00:00:00Z', expiresInMs: 60_000 },
      multipart: { minPartBytes: 8 * MIB, maxPartBytes: 64 * MIB, maxParts: 100 },
    },
    ...{ body, signal: new AbortController().signal, onProgress: () => {} },
  };
}

beforeEach(() => {
  vi.stubGlobal('XMLHttpRequest', FakeXhr);
  vi.stubGlobal('location', { href: `${BASE}/` });
});
afterEach(() => vi.unstubAllGlobals());

/** A server that has some parts already. */
function serve(stored: readonly { partNumber: number; size: number }[]) {
  const seen = { begun: [] as unknown[], signed: [] as number[], put: [] as string[] };
  server.use(
    http.post(`${BASE}/api/multipart/begin`, async ({ request: sent }) => {
      seen.begun.push(await sent.json());
      return HttpResponse.json({ partSize: 8 * MIB, parts: stored });
    }),
    http.post(`${BASE}/api/multipart/parts`, async ({ request: sent }) => {
      const { parts } = (await sent.json()) as {
        parts: { partNumber: number; checksum: string }[];
      };
      seen.signed.push(...parts.map(({ partNumber }) => partNumber));
      return HttpResponse.json({
        parts: parts.map(({ partNumber, checksum }) => ({
          ...{ partNumber, uploadUrl: `${STORE}/${partNumber}`, method: 'PUT' },
          ...{ headers: { 'x-amz-checksum-sha256': checksum }, expiresInMs: 60_000 },
        })),
      });
    }),
    http.put(`${STORE}/:name`, async ({ params, request: sent }) => {
      const size = (await sent.arrayBuffer()).byteLength;
      seen.put.push(`${String(params.name)} ${size / MIB}`);
      return new HttpResponse(null);
    }),
  );
  return seen;
}

it('a file that the server allows to go in parts goes in parts', async () => {
  const seen = serve([]);
  expect(await bulkheadAdapter({ baseUrl: BASE }).put(request())).toBe('stored');
  expect(seen.begun).toEqual([{ assetId, partSize: 8 * MIB }]);
  expect(seen.signed.sort()).toEqual([1, 2, 3]);
  expect(seen.put.sort()).toEqual(['1 8', '2 8', '3 4']);
});

it('what the store has of it is not sent again', async () => {
  const seen = serve([{ partNumber: 2, size: 8 * MIB }]);
  await bulkheadAdapter({ baseUrl: BASE }).put(request());
  expect(seen.put.sort()).toEqual(['1 8', '3 4']);
});

it('goes whole on a page that cannot hash its parts', async () => {
  const seen = serve([]);
  vi.stubGlobal('crypto', { randomUUID: () => 'id' });
  expect(await bulkheadAdapter({ baseUrl: BASE }).put(request())).toBe('stored');
  expect([seen.begun, seen.put]).toEqual([[], ['whole 20']]);
});

it('the parts of an upload that nobody wants any more are forgotten', async () => {
  const aborted: unknown[] = [];
  server.use(
    http.post(`${BASE}/api/multipart/abort`, async ({ request: sent }) => {
      aborted.push(await sent.json());
      return HttpResponse.json({ aborted: true });
    }),
  );
  const adapter = bulkheadAdapter({ baseUrl: BASE });
  const { credential } = request();
  await adapter.abort?.(credential);
  const { multipart: _, ...whole } = credential;
  await adapter.abort?.(whole);
  expect(aborted).toEqual([{ assetId }]);
});
