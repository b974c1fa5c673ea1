import { bulkheadAdapter, createUploader } from 'bulkhead';
import { connectFaultServer, type FaultServerClient } from 'bulkhead/testing/client';
import { beforeAll, beforeEach, expect, inject, it } from 'vitest';

let server: FaultServerClient;

beforeAll(async () => {
  const parent = await connectFaultServer(inject('faultServerUrl'));
  server = await parent.spawn({ processing: { processMs: 5, embedMs: 5 } });
});
beforeEach(() => server.reset());

function photos(count: number): File[] {
  return Array.from({ length: count }, (_, at) => {
    return new File([`photo ${at} `.repeat(2_000)], `photo-${at}.jpg`, { type: 'image/jpeg' });
  });
}

it('brings every photo over although the backend fails all the time', async () => {
  await server.plan([
    // Every third PUT is cut off amid its bytes …
    { match: { route: 'put', nth: { every: 3 } }, at: 'body:1000', do: 'reset' },
    // … the first PUT of one photo fails after it was stored …
    {
      match: { route: 'put', filename: 'photo-4.jpg', nth: 1 },
      at: 'after-commit',
      do: { status: 502 },
    },
    // … and the answer to the first finalize is lost.
    { match: { route: 'finalize', nth: 1 }, at: 'after-commit', do: 'close' },
  ]);

  const uploader = createUploader({ adapter: bulkheadAdapter({ baseUrl: server.url }) });
  await uploader.add(photos(10));
  await uploader.done();

  const uploads = [...uploader.uploads()];
  expect(uploads.map(({ status }) => status)).toEqual(Array(10).fill('searchable'));
  // No byte lost, nothing stored twice, no wait ignored: one sentence for each violation.
  expect(await server.invariants({ uploads })).toEqual([]);
  const { requests, assets } = await server.state();
  expect(assets).toHaveLength(10);
  expect(requests.filter(({ route }) => route === 'put').length).toBeGreaterThan(10);
  uploader.destroy();
});

it('waits as long as the store asks, and loses nothing to a rate limit', async () => {
  await server.behave({ rateLimit: { requestsPerSecond: 10, burst: 4, retryAfter: 'seconds' } });

  const uploader = createUploader({ adapter: bulkheadAdapter({ baseUrl: server.url }) });
  await uploader.add(photos(8));
  await uploader.done();

  const uploads = [...uploader.uploads()];
  expect(uploads.every(({ status }) => status === 'searchable')).toBe(true);
  expect(await server.invariants({ uploads })).toEqual([]);
  uploader.destroy();
});
