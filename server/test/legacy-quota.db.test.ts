import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formOf, openRequest, sendForm } from './fixtures/forms.ts';
import { BOUNDARY, END } from './fixtures/packs.ts';
import {
  jpeg,
  promiseOf,
  startTestServer,
  type TestFile,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const DAY_SECONDS = 24 * 60 * 60;
const MAX_BYTES = 500_000;
const LIMITS = { maxBytesPerDay: MAX_BYTES, maxFilesPerDay: 1000, maxFileBytes: 400_000 };
const CONTENT_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({ limits: LIMITS });
});
afterAll(() => app?.close());

const send = (user: TestUser, file: TestFile, fields?: Record<string, string>) =>
  sendForm(app.apiUrl, user, formOf(file, fields));
const fileHead = (name: string, type = 'image/jpeg') =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n` +
  `Content-Type: ${type}\r\n\r\n`;
const spools = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('bulkhead-form-'));

/** Announces so many bytes, and sends no more than how the file begins until there is an answer. */
async function announce(user: TestUser, bytes: number, head = fileHead('a.jpg')) {
  const headers = { 'content-type': CONTENT_TYPE, 'content-length': bytes };
  const { request, write, answer } = openRequest(`${app.apiUrl}/api/upload`, user, headers);
  write(head);
  write(jpeg('begins.jpg').bytes);
  try {
    return await answer;
  } finally {
    request.destroy();
  }
}

describe('a form of somebody whose day is used up', () => {
  test('is refused before its bytes came, and told how long to wait', async () => {
    const user = app.user();
    await send(user, jpeg('a.jpg', 300_000));
    // 200,000 bytes are left: of 400,000 the length of the body tells.
    const { status, headers, body } = await announce(user, 400_000);
    expect([status, body.code]).toEqual([429, 'quota_exceeded']);
    expect(body.detail).toContain('a day are taken');
    const wait = Number(headers['retry-after']);
    expect(wait).toBeGreaterThan(DAY_SECONDS - 3600 - 60);
    expect(wait).toBeLessThanOrEqual(DAY_SECONDS);
    expect(body.retryAfter).toBe(wait);
    await expect.poll(spools).toEqual([]);
    expect((await send(user, jpeg('b.jpg', 100_000))).status).toBe(200);
  });

  test('is refused whatever its size where no file is left', async () => {
    const few = await startTestServer({ limits: { ...LIMITS, maxFilesPerDay: 1 } });
    try {
      const user = few.user();
      const own = (file: TestFile) => sendForm(few.apiUrl, user, formOf(file));
      expect((await own(jpeg('a.jpg'))).status).toBe(200);
      const refused = await own(jpeg('b.jpg', 1));
      expect([refused.status, refused.body.code]).toEqual([429, 'quota_exceeded']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      few.advance(DAY_SECONDS * 1000);
      expect((await own(jpeg('b.jpg'))).status).toBe(200);
    } finally {
      await few.close();
    }
  });

  test('is cut short where no length was announced, as soon as it has too many bytes', async () => {
    const user = app.user();
    await send(user, jpeg('a.jpg', 400_000));
    const sending = openRequest(`${app.apiUrl}/api/upload`, user, { 'content-type': CONTENT_TYPE });
    sending.write(fileHead('b.jpg'));
    sending.write(jpeg('b.jpg', 150_000).bytes);
    const { status, headers, body } = await sending.answer;
    expect([status, body.code]).toEqual([429, 'quota_exceeded']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    sending.request.destroy();
  });

  test('is taken where it repeats what is stored, or has bytes that are: that costs nothing', async () => {
    const user = app.user();
    const file = jpeg('a.jpg', 400_000);
    const first = await send(user, file, { clientId: 'mine' });
    await send(user, jpeg('b.jpg', 100_000));
    expect((await send(user, jpeg('c.jpg', 20))).body.code).toBe('quota_exceeded');
    const { checksum } = promiseOf(file);
    for (const fields of [{ clientId: 'mine' }, { checksum }]) {
      const again = await send(user, file, fields as Record<string, string>);
      expect([again.status, again.body.asset?.id]).toEqual([200, first.body.asset.id]);
    }
    const other = await send(user, jpeg('d.jpg', 20), { clientId: 'mine' });
    expect([other.status, other.body.code]).toEqual([409, 'client_id_conflict']);
  });

  test('cannot exceed the quota together with others at the same time', async () => {
    const user = app.user();
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => send(user, jpeg(`${i}.jpg`, 200_000))),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, 200, 429, 429, 429]);
    for (const { status, headers, body } of answers) {
      if (status !== 429) continue;
      expect(body.code).toBe('quota_exceeded');
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });
});

describe('a form is refused before its bytes came', () => {
  test('by the limit of requests, with its wait', async () => {
    const tight = await startTestServer({
      limits: { ...LIMITS, rateLimitCapacity: 1, rateLimitPerMinute: 0.1 },
    });
    try {
      const user = tight.user();
      expect((await sendForm(tight.apiUrl, user, formOf(jpeg('a.jpg')))).status).toBe(200);
      const headers = { 'content-type': CONTENT_TYPE, 'content-length': 100_000 };
      const { request, write, answer } = openRequest(`${tight.apiUrl}/api/upload`, user, headers);
      write('--');
      const refused = await answer;
      expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      request.destroy();
    } finally {
      await tight.close();
    }
  });

  test('by too many open uploads, with their wait', async () => {
    const busy = await startTestServer({ limits: { maxOpenUploads: 500 } });
    try {
      const user = busy.user();
      await user.reserve(Array.from({ length: 500 }, (_, i) => jpeg(`${i}.jpg`, 20)));
      const refused = await sendForm(busy.apiUrl, user, formOf(jpeg('a.jpg')));
      expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
      expect(refused.headers.get('retry-after')).toBe('30');
    } finally {
      await busy.close();
    }
  });

  test('for its length, its type, its name, and fields that cannot be', async () => {
    const user = app.user();
    const field = (name: string, value: string) =>
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const cases: [number, string, string][] = [
      [10_000_000, fileHead('a.jpg'), 'body_too_large'],
      [300_000, fileHead('a.pdf', 'application/pdf'), 'unsupported_type'],
      [300_000, fileHead(`${'x'.repeat(2000)}.jpg`), 'invalid_name'],
      [300_000, field('checksum', 'x') + fileHead('a.jpg'), 'invalid_request'],
      [300_000, field('clientId', 'x'.repeat(129)) + fileHead('a.jpg'), 'invalid_request'],
      [300_000, field('clientId', 'a\0b') + fileHead('a.jpg'), 'invalid_request'],
      [300_000, field('path', 'a\0b') + fileHead('a.jpg'), 'invalid_name'],
    ];
    for (const [bytes, head, code] of cases) {
      expect((await announce(user, bytes, head)).body.code).toBe(code);
    }
    await expect.poll(spools).toEqual([]);
  });
});

test('a server that takes no forms says so, whatever comes, and takes no token', async () => {
  const off = await startTestServer({
    legacyUpload: false,
    limits: { rateLimitCapacity: 1, rateLimitPerMinute: 0.001 },
  });
  try {
    const user = off.user();
    for (let i = 0; i < 3; i++) {
      const { status, body } = await sendForm(off.apiUrl, user, formOf(jpeg('a.jpg')));
      expect([status, body.code, body.detail]).toEqual([
        404,
        'not_found',
        'This server takes no form uploads',
      ]);
    }
    expect((await user.call('POST', '/api/upload', END.toString())).status).toBe(404);
    expect((await user.reserve([jpeg('a.jpg')]))[0]?.status).toBe('granted');
  } finally {
    await off.close();
  }
});
