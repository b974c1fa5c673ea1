import { HttpResponse, http } from 'msw';
import { setupServer } from 'msw/node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';
import { toAnswerError } from '../../src/transports/read-problem.ts';

const BASE = 'http://bulkhead.test';
const server = setupServer();
beforeAll(() => server.listen({ onUnhandledFrame: 'error' }));
afterEach(() => server.resetHandlers());
afterAll(() => server.close());

const { signal } = new AbortController();
const file = {
  id: 'client-1',
  name: 'a.jpg',
  path: 'trip/a.jpg',
  sizeBytes: 3,
  mimeType: 'image/jpeg',
  checksum: 'a'.repeat(64),
};
const assetId = '7c9e6679-7425-40de-944b-e07fc1f90ae7';

function post(path: string, answer: (body: unknown, request: Request) => Response) {
  server.use(
    http.post(`${BASE}${path}`, async ({ request }) => answer(await request.json(), request)),
  );
}

describe('the Bulkhead adapter', () => {
  it('asks for a batch of credentials in one request', async () => {
    post('/api/upload-urls', (body) => {
      expect(body).toEqual({
        files: [
          {
            clientId: 'client-1-aaaaaaaaaaaa',
            filename: 'a.jpg',
            path: 'trip/a.jpg',
            mimeType: 'image/jpeg',
            size: 3,
            checksum: file.checksum,
          },
        ],
      });
      const asset = { id: assetId, blobUrl: '', isDuplicate: true, needsProcessing: false };
      return HttpResponse.json({
        results: [
          { clientId: 'client-1', status: 'duplicate', asset },
          { clientId: 'b', status: 'rejected', error: { code: 'empty_file', detail: 'empty' } },
        ],
      });
    });
    const results = await bulkheadAdapter({ baseUrl: BASE }).credentials([file], signal);
    expect(results).toMatchObject([
      { status: 'duplicate', assetId },
      { status: 'failed', error: { code: 'empty_file', action: 'permanent' } },
    ]);
  });

  it('sends the application’s headers, asked anew for each request', async () => {
    const seen: (string | null)[] = [];
    post('/api/upload-complete', (_body, request) => {
      seen.push(request.headers.get('authorization'));
      return HttpResponse.json({ results: [] });
    });
    let token = 0;
    const headers = () => ({ authorization: `Bearer ${++token}` });
    const adapter = bulkheadAdapter({ baseUrl: BASE, headers });
    await adapter.finalize([{ ...file, assetId }], signal);
    await adapter.finalize([{ ...file, assetId }], signal);
    expect(seen).toEqual(['Bearer 1', 'Bearer 2']);
  });

  it('uploads as many at once as it is told, and says what cannot be', () => {
    expect(bulkheadAdapter().capabilities.maxConcurrency).toBe(6);
    expect(bulkheadAdapter({ maxConcurrency: 24 }).capabilities.maxConcurrency).toBe(24);
    expect(() => bulkheadAdapter({ maxConcurrency: 0 })).toThrow('bulkheadAdapter.maxConcurrency');
  });

  it('reconciles a batch in one request, by the client ids of the credentials', async () => {
    const other = { id: 'client-2', checksum: 'b'.repeat(64) };
    post('/api/uploads/reconcile', (body) => {
      expect(body).toEqual({
        files: [
          { clientId: 'client-1-aaaaaaaaaaaa', checksum: file.checksum },
          { clientId: 'client-2-bbbbbbbbbbbb', checksum: other.checksum },
          { clientId: 'client-3-bbbbbbbbbbbb', checksum: other.checksum },
        ],
      });
      const asset = { id: assetId, blobUrl: '', isDuplicate: true, needsProcessing: false };
      return HttpResponse.json({
        results: [
          { clientId: 'a', status: 'finalized', asset },
          { clientId: 'b', status: 'uploaded', assetId },
          { clientId: 'c', status: 'unknown' },
        ],
      });
    });
    const asked = [file, other, { ...other, id: 'client-3' }];
    expect(await bulkheadAdapter({ baseUrl: BASE }).reconcile?.(asked, signal)).toEqual([
      { kind: 'finalized', assetId, isDuplicate: true, needsProcessing: false },
      { kind: 'uploaded', assetId },
      { kind: 'unknown' },
    ]);
  });

  it('takes the wait of a 429 from its header', async () => {
    post('/api/upload-urls', () =>
      HttpResponse.json({}, { status: 429, headers: { 'retry-after': '7' } }),
    );
    await expect(
      bulkheadAdapter({ baseUrl: BASE }).credentials([file], signal),
    ).rejects.toMatchObject({ code: 'rate_limited', action: 'throttle', retryAfterMs: 7_000 });
  });

  it('takes an answer that is not the server’s for an interception, and tries again later', async () => {
    post('/api/upload-urls', () => HttpResponse.html('<h1>Hotel Wi-Fi: please sign in</h1>'));
    await expect(
      bulkheadAdapter({ baseUrl: BASE }).credentials([file], signal),
    ).rejects.toMatchObject({ code: 'intercepted', kind: 'network', action: 'transient' });
  });

  it('takes an answer of another shape for another version’s, not for the network’s', async () => {
    post('/api/upload-urls', () => HttpResponse.json({ uploads: [] }));
    await expect(
      bulkheadAdapter({ baseUrl: BASE }).credentials([file], signal),
    ).rejects.toMatchObject({ code: 'unexpected_response', kind: 'server', action: 'transient' });
  });

  it('calls a server that cannot be reached a network failure', async () => {
    post('/api/upload-urls', () => HttpResponse.error());
    await expect(
      bulkheadAdapter({ baseUrl: BASE }).credentials([file], signal),
    ).rejects.toMatchObject({ code: 'network_failed', kind: 'network' });
  });

  it('names an unknown option', () => {
    expect(() => bulkheadAdapter({ baseURL: BASE } as object)).toThrow(
      'bulkheadAdapter.baseURL: there is no such option',
    );
  });
});

describe('answers of other stores', () => {
  const answer = (status: number, headers: Record<string, string> = {}) =>
    toAnswerError({ status, body: '<Error/>', header: (name) => headers[name] ?? null }, 0);

  it.each([
    [401, 'unauthenticated', 'halt'],
    [403, 'url_invalid', 'refresh'],
    [404, 'store_refused', 'permanent'],
    [408, 'internal', 'transient'],
    [412, 'already_exists', 'exists'],
    [429, 'rate_limited', 'throttle'],
    [500, 'internal', 'transient'],
    [503, 'unavailable', 'throttle'],
    [504, 'internal', 'transient'],
  ])('reads %i as %s, which is %s', (status, code, action) => {
    expect(answer(status)).toMatchObject({ code, action, status });
  });

  it('takes Vercel Blob’s 400 for an object that is there, and no other 400', () => {
    const answered = (message: string) => {
      const body = JSON.stringify({ error: { code: 'bad_request', message } });
      return toAnswerError({ status: 400, body, header: () => null }, 0);
    };
    const exists =
      'This blob already exists, use `allowOverwrite: true` if you want to overwrite it.';
    expect(answered(exists)).toMatchObject({ code: 'already_exists', action: 'exists' });
    expect(answered('Invalid pathname')).toMatchObject({ code: 'store_refused' });
  });

  it('reads problem+json by its code, whatever the status', () => {
    const problem = {
      type: 'about:blank',
      title: 't',
      status: 403,
      code: 'url_expired',
      detail: 'd',
    };
    const body = JSON.stringify(problem);
    const error = toAnswerError({ status: 403, body, header: () => null }, 0);
    expect(error).toMatchObject({ code: 'url_expired', action: 'refresh', message: 'd' });
  });
});
