import { afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { Uploader } from '../../src/core/uploader.ts';
import { createUploader } from '../../src/create-uploader.ts';
import { connectFaultServer, type FaultServerClient } from '../../src/testing/client.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';

let server: FaultServerClient;
beforeAll(async () => {
  server = await (await connectFaultServer(inject('faultServerUrl'))).spawn();
});
beforeEach(() => server.reset());

let uploader: Uploader;
afterEach(() => uploader.destroy());

async function diagnose(baseUrl = server.url) {
  uploader = createUploader({ adapter: bulkheadAdapter({ baseUrl }), storage: false });
  const { ok, checks } = await uploader.diagnose();
  return { ok, of: (name: string) => checks.find((check) => check.name === name) };
}

it('of a server that works, nothing fails', async () => {
  // The fault server takes any bytes for an image; a real one refuses these.
  await server.plan([{ match: { route: 'finalize' }, do: { fileProblem: 'not_an_image' } }]);
  const { ok, of } = await diagnose();
  expect(ok).toBe(true);
  for (const name of ['page', 'credentials', 'clock', 'store', 'finalize', 'events']) {
    expect(of(name)?.status, name).toBe('ok');
  }
});

it('finds the CORS rule that the store lacks, and names this page’s origin and the headers', async () => {
  // Preflights of the store only: those of the API have no key.
  await server.plan([{ match: { route: ['put', 'preflight'], key: '*' }, do: 'no-cors' }]);
  const { ok, of } = await diagnose();
  expect(ok).toBe(false);
  expect(of('store')?.status).toBe('failed');
  expect(of('store')?.fix).toContain(`AllowedOrigins ${location.origin}`);
  expect(of('store')?.fix).toContain('content-type');
});

it('finds that a page of HTML answers in the API’s place', async () => {
  await server.plan([{ match: { route: 'credentials' }, do: 'captive-portal' }]);
  expect((await diagnose()).of('credentials')?.fix).toContain('HTML');
});

it('finds that nobody is signed in', async () => {
  const unknown = { status: 401, code: 'unauthenticated' } as const;
  await server.plan([{ match: { route: 'credentials' }, do: unknown }]);
  expect((await diagnose()).of('credentials')?.fix).toContain('Sign in');
});

it('finds that the API is not where it was looked for', async () => {
  const { of } = await diagnose(server.storeUrl);
  expect(of('credentials')).toMatchObject({ status: 'failed' });
  expect(of('credentials')?.fix).toContain('baseUrl');
});
