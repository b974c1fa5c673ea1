import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formOf, sendForm } from './fixtures/forms.ts';
import {
  jpeg,
  promiseOf,
  sha256,
  startTestServer,
  type TestFile,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const MAX_FILE = 300_000;
let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({ limits: { maxFileBytes: MAX_FILE }, legacyRedirect: '/thanks' });
});
afterAll(() => app?.close());

const send = (user: TestUser, form: FormData, headers?: Record<string, string>) =>
  sendForm(app.apiUrl, user, form, headers);

test('a form with one file is stored, finalized and answered as finalize answers', async () => {
  const user = app.user();
  const file = jpeg('ein Bild „alt“.jpg', 200_000);
  const { status, body } = await send(user, formOf(file, { path: 'Fotos/ein Bild.jpg' }));
  expect(status).toBe(200);
  expect(body).toEqual({
    success: true,
    asset: {
      id: expect.any(String),
      blobUrl: expect.any(String),
      isDuplicate: false,
      needsProcessing: true,
    },
  });
  const read = await fetch(body.asset.blobUrl);
  expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(sha256(file.bytes));
  const { asset } = (await user.call('GET', `/api/assets/${body.asset.id}`)).body;
  expect(asset).toMatchObject({ filename: file.filename, path: 'Fotos/ein Bild.jpg' });
  expect(await user.jobs()).toHaveLength(1);
});

test('with a client id, repeated and at the same time, it is one asset', async () => {
  const user = app.user();
  const file = jpeg('again.jpg');
  const forms = Array.from({ length: 5 }, () => formOf(file, { clientId: 'mine' }));
  const answers = await Promise.all(forms.map((form) => send(user, form)));
  const again = await send(user, formOf(file, { clientId: 'mine' }));
  const ids = [...answers, again].map(({ body }) => body.asset?.id);
  expect(new Set(ids).size).toBe(1);
  expect(await user.jobs()).toHaveLength(1);
  const other = await send(user, formOf(jpeg('other.jpg'), { clientId: 'mine' }));
  expect([other.status, other.body.code]).toEqual([409, 'client_id_conflict']);
});

test('a promised checksum is held against the bytes', async () => {
  const user = app.user();
  const file = jpeg('sum.jpg');
  const { checksum } = promiseOf(file);
  const wrong = await send(user, formOf(file, { checksum: 'a'.repeat(64) }));
  expect(wrong.body.code).toBe('checksum_mismatch');
  expect((await send(user, formOf(file, { checksum }))).status).toBe(200);
});

test('what is too large, empty, no image, or no such form is refused, and leaves nothing', async () => {
  const user = app.user();
  const strange = formOf(jpeg('a.jpg'), { other: 'x' });
  const two = formOf(jpeg('a.jpg'));
  two.append('file', new File([new Uint8Array(3)], 'b.jpg'));
  const none = new FormData();
  none.append('clientId', 'x');
  const text = { ...jpeg('a.jpg'), bytes: new TextEncoder().encode('not a picture at all') };
  const cases: [FormData, string][] = [
    [formOf(jpeg('large.jpg', MAX_FILE + 1)), 'file_too_large'],
    [formOf(jpeg('larger.jpg', MAX_FILE + 200_000)), 'body_too_large'],
    [formOf({ ...jpeg('empty.jpg'), bytes: new Uint8Array() }), 'empty_file'],
    [formOf(text as TestFile), 'not_an_image'],
    [strange, 'invalid_request'],
    [two, 'invalid_request'],
    [none, 'invalid_request'],
  ];
  for (const [form, code] of cases) expect((await send(user, form)).body.code).toBe(code);
  expect((await user.call('GET', '/api/assets')).body.assets).toEqual([]);
  await expect
    .poll(async () => (await readdir(tmpdir())).filter((name) => name.startsWith('bulkhead-form-')))
    .toEqual([]);
});

test('takes one token of the rate limit, and needs somebody of this site', async () => {
  const tight = await startTestServer({
    limits: { rateLimitCapacity: 1, rateLimitPerMinute: 0.1 },
  });
  try {
    const user = tight.user();
    const statusOf = async (headers: Record<string, string>) => {
      const init = { method: 'POST', headers, body: formOf(jpeg('a.jpg')) };
      const response = await fetch(`${tight.apiUrl}/api/upload`, init);
      await response.arrayBuffer();
      return response.status;
    };
    expect(await statusOf({})).toBe(401);
    const foreign = { 'x-user': user.id, origin: 'https://evil.example' };
    expect(await statusOf(foreign)).toBe(403);
    expect(await statusOf({ 'x-user': user.id })).toBe(200);
    expect(await statusOf({ 'x-user': user.id })).toBe(429);
  } finally {
    await tight.close();
  }
});

test('a form without JavaScript goes on to the page that was named; scripts get JSON', async () => {
  const user = app.user();
  const accept = 'text/html,application/xhtml+xml,*/*;q=0.8';
  const { status, headers } = await send(user, formOf(jpeg('plain.jpg')), { accept });
  expect([status, headers.get('location')]).toEqual([303, '/thanks']);
  expect((await send(user, formOf(jpeg('json.jpg')), { accept: '*/*' })).status).toBe(200);
});
