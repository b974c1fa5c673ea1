import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen } from '../src/node-server.ts';
import type { RateLimiter } from '../src/rate-limit/rate-limiter.ts';
import { formOf, openRequest, type SlowRequest, sendForm } from './fixtures/forms.ts';
import {
  BOUNDARY,
  END,
  filePart,
  manifestOf,
  manifestPart,
  part,
  partsOf,
  reserved,
  sendPack,
} from './fixtures/packs.ts';
import { jpeg, startTestServer, type TestServer, type TestUser } from './fixtures/test-server.ts';

const TYPE = `multipart/form-data; boundary=${BOUNDARY}`;
/** What is not answered by then never will be. */
const HANGS_MS = 10_000;

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({ limits: { rateLimitCapacity: 1_000_000 } });
});
afterAll(() => app?.close());

/** Sends a body that no client library would send. */
async function post(route: string, user: TestUser, body: Uint8Array, type = TYPE) {
  const init = {
    method: 'POST',
    headers: { 'x-user': user.id, 'content-type': type },
    body: new Uint8Array(body),
    signal: AbortSignal.timeout(HANGS_MS),
  };
  const response = await fetch(`${app.apiUrl}${route}`, init);
  return { status: response.status, body: JSON.parse(await response.text()) };
}
const spools = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('bulkhead-form-'));
const wholeForm = (name: string) => {
  const head = `Content-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: image/jpeg`;
  const clientId = part('Content-Disposition: form-data; name="clientId"', name);
  return Buffer.concat([clientId, part(head, jpeg(name, 60).bytes), END]);
};
/** Begins so many bodies, and sends no more of them. */
function begin(count: number, user: TestUser, route: string, base = app.apiUrl): SlowRequest[] {
  return Array.from({ length: count }, () => {
    const headers = { 'content-type': TYPE, 'content-length': 100_000 };
    const sending = openRequest(`${base}${route}`, user, headers);
    sending.write(`--${BOUNDARY}`);
    return sending;
  });
}

describe('a body that is no form', () => {
  test('is answered in words: cut off anywhere, another boundary, no end', async () => {
    const user = app.user();
    const form = wholeForm('cut.jpg');
    for (let length = 0; length < form.length - 4; length += 7) {
      const { status, body } = await post('/api/upload', user, form.subarray(0, length));
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.detail).toContain('before its last boundary');
    }
    expect((await user.call('GET', '/api/assets')).body.assets).toEqual([]);
    for (const route of ['/api/upload', '/api/upload-pack']) {
      const other = await post(route, user, form, 'multipart/form-data; boundary=other');
      expect([other.status, other.body.code]).toEqual([400, 'invalid_request']);
      expect(other.body.detail).toContain('before its last boundary');
    }
  });

  test('cut off anywhere, a pack keeps exactly what arrived whole', async () => {
    const user = app.user();
    const packed = await reserved(user, 2, 40);
    const pack = Buffer.concat([...partsOf(packed), END]);
    const [manifest, first] = partsOf(packed);
    // Whatever follows a part's last byte: it is whole when the next boundary came.
    const manifestEnd = manifest?.length ?? 0;
    const firstEnd = manifestEnd + (first?.length ?? 0);
    for (let length = manifestEnd + 40; length < pack.length - 4; length += 11) {
      const { status, body } = await post('/api/upload-pack', user, pack.subarray(0, length));
      const successes = body.results.map(({ success }: { success: boolean }) => success);
      const isFirstWhole = length >= firstEnd + BOUNDARY.length + 2;
      if (isFirstWhole) expect([status, successes]).toEqual([200, [true, false]]);
      else expect([status, successes[1]]).toEqual([200, false]);
    }
  });

  test('however it is mangled, is refused or taken: nothing fails, nothing hangs', async () => {
    const user = app.user();
    const packed = await reserved(user, 3, 100);
    const bodies = [
      ['/api/upload-pack', Buffer.concat([...partsOf(packed), END])],
      ['/api/upload', wholeForm('mangled.jpg')],
    ] as const;
    const inserts = ['\r\n', `--${BOUNDARY}`, `\r\n--${BOUNDARY}--`, `\r\n--${BOUNDARY}\r\n`];
    inserts.push('\r\n\r\n', '\0', '"', ';', ':', '\r', '\n', '--', '\xff', '\xed\xa0\x80');
    inserts.push("*=utf-8''%00", '; filename="', '../');
    const below = seededBelow(20_260_101);
    for (let run = 0; run < 400; run++) {
      const [route, whole] = bodies[run % 2] ?? bodies[0];
      let body: Buffer = whole;
      for (let change = 0; change <= below(3); change++) {
        const at = below(body.length);
        const insert = Buffer.from(inserts[below(inserts.length)] ?? '', 'latin1');
        const rest = body.subarray(at + (below(3) === 0 ? below(60) : 0));
        body = Buffer.concat([body.subarray(0, at), insert, rest]);
      }
      const { status } = await post(route, user, body);
      expect(status, `run ${run}: ${JSON.stringify(body.toString('latin1'))}`).toBeLessThan(500);
    }
  });
});

test('a pack whose manifest comes last, or twice, or whose parts do, is refused', async () => {
  const user = app.user();
  const packed = await reserved(user, 2, 100);
  const [manifest, first, second] = partsOf(packed) as [Buffer, Buffer, Buffer];
  for (const parts of [
    [first, second, manifest],
    [manifest, manifest, first, second],
    [manifest, first, first, second],
    [manifest, second, first],
  ]) {
    const { status, body } = await post('/api/upload-pack', user, Buffer.concat([...parts, END]));
    expect([status, body.code]).toEqual([400, 'invalid_request']);
  }
});

test('part headers of a hundred kilobytes are not gathered, and name nothing at their end', async () => {
  const user = app.user();
  const [one] = await reserved(user, 1, 100);
  if (!one) throw new Error('No file');
  const long = `X: ${'y'.repeat(100_000)}\r\nContent-Disposition: form-data; name="${one.credential.assetId}"`;
  const { body } = await post(
    '/api/upload-pack',
    user,
    Buffer.concat([manifestPart(manifestOf([one])), part(long, one.file.bytes), END]),
  );
  expect(body.results[0].error.code).toBe('not_uploaded');
});

test('what follows the last boundary does not block the connection', async () => {
  const user = app.user();
  const packed = await reserved(user, 1, 100);
  const body = Buffer.concat([...partsOf(packed), END, Buffer.alloc(1_000_000, 'e')]);
  const { host, hostname, port } = new URL(app.apiUrl);
  const socket = connect(Number(port), hostname);
  let answers = '';
  socket.on('data', (data) => {
    answers += data;
  });
  const head = [
    'POST /api/upload-pack HTTP/1.1',
    `Host: ${host}`,
    `x-user: ${user.id}`,
    `Content-Type: ${TYPE}`,
    `Content-Length: ${body.length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  socket.write(body);
  socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  try {
    await expect
      .poll(() => answers.match(/HTTP\/1\.1 \d+/g))
      .toEqual(['HTTP/1.1 200', 'HTTP/1.1 200']);
  } finally {
    socket.destroy();
  }
});

describe('who sends slowly', () => {
  test('keeps nobody else out of forms, and is told to wait; a refusal takes no token', async () => {
    const tokens = new Map<string, number>();
    const limiter: RateLimiter = {
      async consume(userId) {
        tokens.set(userId, (tokens.get(userId) ?? 0) + 1);
        return { allowed: true, retryAfter: 0, remaining: 1 };
      },
    };
    const counted = await startTestServer({ rateLimiter: limiter });
    try {
      const [eve, ada, bob] = [counted.user(), counted.user(), counted.user()];
      const send = (user: TestUser) => sendForm(counted.apiUrl, user, formOf(jpeg('a.jpg')));
      const slow = begin(6, eve, '/api/upload', counted.apiUrl);
      await expect.poll(() => tokens.get(eve.id)).toBe(6);
      for (let again = 0; again < 10; again++) {
        const refused = await send(eve);
        expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
        expect(refused.body.detail).toContain('forms of yours');
        expect(refused.headers.get('retry-after')).toBe('2');
      }
      expect(tokens.get(eve.id)).toBe(6);
      expect((await send(ada)).status).toBe(200);
      slow.push(...begin(2, bob, '/api/upload', counted.apiUrl));
      await expect.poll(() => tokens.get(bob.id)).toBe(2);
      const full = await send(ada);
      expect([full.status, full.headers.get('retry-after')]).toEqual([429, '2']);
      for (const { request } of slow) request.destroy();
      await expect.poll(async () => (await send(ada)).status).toBe(200);
      await expect.poll(spools).toEqual([]);
    } finally {
      await counted.close();
    }
  });

  test('keeps nobody else out of packs', async () => {
    const asked: string[] = [];
    const counted = await startTestServer({
      async authorize(request) {
        const userId = request.headers.get('x-user') ?? '';
        if (new URL(request.url).pathname === '/api/upload-pack') asked.push(userId);
        return userId;
      },
    });
    try {
      const [eve, ada] = [counted.user(), counted.user()];
      const slow = begin(16, eve, '/api/upload-pack', counted.apiUrl);
      await expect.poll(() => asked.length).toBe(16);
      const send = async (user: TestUser) =>
        sendPack(counted.apiUrl, user, [...partsOf(await reserved(user, 1)), END]);
      const refused = await send(eve);
      expect([refused.status, refused.body.code]).toEqual([429, 'rate_limited']);
      expect((await send(ada)).status).toBe(200);
      for (const { request } of slow) request.destroy();
      await expect.poll(async () => (await send(eve)).status).toBe(200);
    } finally {
      await counted.close();
    }
  });

  test('is cut off when the request takes too long, and the place is free again', async () => {
    const hasty = await listen(
      { api: app.server.fetch, store: app.store.fetch },
      { apiRequestTimeoutMs: 1500, headersTimeoutMs: 1000 },
    );
    try {
      const eve = app.user();
      for (const route of ['/api/upload', '/api/upload-pack']) {
        const slow = begin(6, eve, route, hasty.apiUrl);
        const answers = await Promise.all(slow.map(({ answer }) => answer.catch(() => undefined)));
        for (const answer of answers) expect([undefined, 408]).toContain(answer?.status);
      }
      const sent = await sendForm(hasty.apiUrl, eve, formOf(jpeg('a.jpg')));
      expect(sent.status).toBe(200);
    } finally {
      await hasty.close(100);
    }
  });

  test('and goes away in the middle leaves neither places taken nor files behind', async () => {
    const user = app.user();
    for (let gone = 0; gone < 20; gone++) {
      const [sending] = begin(1, user, '/api/upload');
      sending?.write('\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n');
      sending?.write(jpeg('a.jpg', 50_000).bytes);
      await new Promise((resolve) => setTimeout(resolve, gone * 2));
      sending?.request.destroy();
    }
    await expect
      .poll(async () => (await sendForm(app.apiUrl, user, formOf(jpeg('b.jpg')))).status)
      .toBe(200);
    await expect.poll(spools).toEqual([]);
    const { assets } = (await user.call('GET', '/api/assets')).body;
    expect(assets.map(({ filename }: { filename: string }) => filename)).toEqual(['b.jpg']);
  });
});

test('a file of more bytes than promised ends at the promise, however much follows', async () => {
  const user = app.user();
  const [one, two] = await reserved(user, 2, 1000);
  if (!one || !two) throw new Error('No files');
  const longer = Buffer.concat([one.file.bytes, Buffer.alloc(300_000, 'x')]);
  const { body } = await post(
    '/api/upload-pack',
    user,
    Buffer.concat([
      manifestPart(manifestOf([one, two])),
      filePart(one.credential.assetId, longer),
      filePart(two.credential.assetId, two.file.bytes),
      END,
    ]),
  );
  const [first, second] = body.results;
  expect([first.error?.code, second.success]).toEqual(['size_mismatch', true]);
});

/** Numbers below a limit, the same in each run. */
function seededBelow(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state % limit;
  };
}
