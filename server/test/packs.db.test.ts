import { request } from 'node:http';
import { MAX_PACK_MANIFEST_BYTES } from 'bulkhead/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
import {
  filesIn,
  jpeg,
  promiseOf,
  sha256,
  startTestServer,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const PACKS = { maxFiles: 20, maxBytes: 400_000, maxFileBytes: 100_000 };
let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({ packs: PACKS });
});
afterAll(() => app?.close());

const send = (user: TestUser, parts: readonly Uint8Array[], headers?: Record<string, string>) =>
  sendPack(app.apiUrl, user, parts, headers);

const assetsOf = async (user: TestUser) => {
  const query = app.database.db.selectFrom('assets').selectAll().where('user_id', '=', user.id);
  return query.execute();
};
const codesOf = (results: { success: boolean; error?: { code: string } }[]) =>
  results.map(({ success, error }) => (success ? 'ok' : error?.code));

describe('a pack', () => {
  test('is announced with the credentials, and makes assets and jobs of all its files', async () => {
    const user = app.user();
    const file = jpeg('announced.jpg');
    const answer = await user.call('POST', '/api/upload-urls', { files: [promiseOf(file)] });
    expect(answer.body.pack).toEqual(PACKS);
    const packed = await reserved(user, 5);
    const { status, body } = await send(user, [...partsOf(packed), END]);
    expect(status).toBe(200);
    expect(body.results).toEqual(
      packed.map(({ credential: { assetId } }) => ({
        assetId,
        success: true,
        asset: {
          id: assetId,
          blobUrl: expect.any(String),
          isDuplicate: false,
          needsProcessing: true,
        },
      })),
    );
    const read = await fetch(body.results[2].asset.blobUrl);
    expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(
      sha256(packed[2]?.file.bytes ?? new Uint8Array()),
    );
    expect(await assetsOf(user)).toHaveLength(5);
    expect(await user.jobs()).toHaveLength(5);
  });

  test('sent as FormData of a browser, by a web-standard Request, is the same', async () => {
    const user = app.user();
    const packed = await reserved(user, 3);
    const form = new FormData();
    form.append('manifest', JSON.stringify(manifestOf(packed)));
    for (const { file, credential } of packed) {
      form.append(credential.assetId, new Blob([file.bytes], { type: 'image/jpeg' }), 'näme".jpg');
    }
    const response = await app.server.fetch(
      new Request('http://kit.example/api/upload-pack', {
        method: 'POST',
        headers: { 'x-user': user.id },
        body: form,
      }),
    );
    expect(response.status).toBe(200);
    const { results } = (await response.json()) as { results: { success: boolean }[] };
    expect(codesOf(results)).toEqual(['ok', 'ok', 'ok']);
  });

  test('in pieces of one byte and more is read as in one', async () => {
    const user = app.user();
    const packed = await reserved(user, 3, 300);
    const bytes = Buffer.concat([...partsOf(packed), END]);
    for (const step of [1, 7, 64]) {
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          controller.enqueue(new Uint8Array(bytes.subarray(at, at + step)));
          at += step;
          if (at >= bytes.length) controller.close();
        },
      });
      const init = {
        method: 'POST',
        headers: {
          'x-user': user.id,
          'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
        },
        body,
        duplex: 'half',
      };
      const response = await app.server.fetch(
        new Request('http://kit.example/api/upload-pack', init as RequestInit),
      );
      const { results } = (await response.json()) as { results: { success: boolean }[] };
      expect(codesOf(results)).toEqual(['ok', 'ok', 'ok']);
    }
  });

  test('takes no token of the rate limit, however often it is sent', async () => {
    const tight = await startTestServer({
      packs: PACKS,
      limits: { rateLimitCapacity: 1, rateLimitPerMinute: 0.001 },
    });
    try {
      const user = tight.user();
      const packed = await reserved(user, 2);
      const pack = [...partsOf(packed), END];
      for (let i = 0; i < 3; i++) {
        expect((await sendPack(tight.apiUrl, user, pack)).status).toBe(200);
      }
      expect((await user.call('POST', '/api/upload-urls', { files: [] })).status).toBe(429);
    } finally {
      await tight.close();
    }
  });

  test('sent twice, at the same time ten times, and after finalize gives the same answer', async () => {
    const user = app.user();
    const packed = await reserved(user, 6);
    const pack = [...partsOf(packed), END];
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(user, pack)));
    const again = await send(user, pack);
    const ids = packed.map(({ credential }) => credential.assetId);
    for (const { status, body } of [...answers, again]) {
      expect(status).toBe(200);
      expect(body.results.map(({ asset }: { asset: { id: string } }) => asset?.id)).toEqual(ids);
    }
    expect(await assetsOf(user)).toHaveLength(6);
    expect(await user.jobs()).toHaveLength(6);
    const [first] = ids;
    const { body } = await user.finalize(first ?? '');
    expect(body.asset).toEqual(again.body.results[0].asset);
  });

  test('and a PUT with a finalize of one of its files at the same time make one asset', async () => {
    const user = app.user();
    const packed = await reserved(user, 2);
    const [one] = packed;
    if (!one) throw new Error('No file');
    const { uploadUrl: url, headers, assetId } = one.credential;
    const put = fetch(url, { method: 'PUT', headers, body: one.file.bytes }).then(() =>
      user.finalize(assetId),
    );
    const [pack, finalized] = await Promise.all([send(user, [...partsOf(packed), END]), put]);
    expect(codesOf(pack.body.results)).toEqual(['ok', 'ok']);
    expect(finalized.status).toBe(200);
    expect(await assetsOf(user)).toHaveLength(2);
    expect(await user.jobs()).toHaveLength(2);
  });

  test('keeps what is good of it: other files fail by themselves', async () => {
    const user = app.user();
    const packed = await reserved(user, 6, 2000);
    const [good, short, long, altered, text, last] = packed;
    if (!good || !short || !long || !altered || !text || !last) throw new Error('No files');
    const script = new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>');
    const [disguised] = await user.reserve([{ ...text.file, clientId: 'svg', bytes: script }]);
    if (disguised?.status !== 'granted') throw new Error('Not granted');
    const svgId = disguised.credential.assetId;
    const manifest = manifestOf([good, short, long, altered]);
    manifest.files.push({ assetId: svgId, size: script.length, checksum: sha256(script) });
    const lie = { ...manifestOf([text]).files[0], checksum: 'f'.repeat(64) };
    manifest.files.push(lie as (typeof manifest.files)[number], ...manifestOf([last]).files);
    const other = altered.file.bytes.slice();
    other[500] = (other[500] ?? 0) ^ 1;
    const { status, body } = await send(user, [
      manifestPart(manifest),
      filePart(good.credential.assetId, good.file.bytes),
      filePart(short.credential.assetId, short.file.bytes.subarray(0, 1500)),
      filePart(long.credential.assetId, Buffer.concat([long.file.bytes, Buffer.alloc(10)])),
      filePart(altered.credential.assetId, other),
      filePart(svgId, script),
      filePart(text.credential.assetId, text.file.bytes),
      filePart(last.credential.assetId, last.file.bytes),
      END,
    ]);
    expect(status).toBe(200);
    expect(codesOf(body.results)).toEqual([
      'ok',
      'size_mismatch',
      'size_mismatch',
      'checksum_mismatch',
      'svg_refused',
      'checksum_mismatch',
      'ok',
    ]);
    // Of what did not arrive as promised, another try is welcome; what is no image stays refused.
    const again = [short, long, altered, text];
    const second = await send(user, [...partsOf(again), END]);
    expect(codesOf(second.body.results)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect((await user.finalize(svgId)).body.code).toBe('svg_refused');
    expect(await filesIn(app.storeDir)).not.toContain(svgId);
  });

  test('of bytes that the user has is a duplicate, and leaves no second object', async () => {
    const user = app.user();
    const file = jpeg('twice.jpg');
    const twin = { ...file, clientId: 'twin' };
    const results = await user.reserve([file, twin]);
    const packed = [file, twin].map((each, i) => {
      const result = results[i];
      if (result?.status !== 'granted') throw new Error('Not granted');
      return { file: each, credential: result.credential };
    });
    const { body } = await send(user, [...partsOf(packed), END]);
    expect(codesOf(body.results)).toEqual(['ok', 'ok']);
    const ids = new Set(body.results.map(({ asset }: { asset: { id: string } }) => asset.id));
    expect(ids.size).toBe(1);
    const stored = await filesIn(app.storeDir);
    const mine = packed.filter(({ credential }) => stored.includes(credential.assetId));
    expect(mine).toHaveLength(1);
  });

  test('of reservations whose time is over is told so, and goes through once they are renewed', async () => {
    const late = await startTestServer({ packs: PACKS });
    try {
      const user = late.user();
      const packed = await reserved(user, 2);
      const pack = [...partsOf(packed), END];
      late.advance(301_000);
      const refused = await sendPack(late.apiUrl, user, pack);
      expect(codesOf(refused.body.results)).toEqual(['url_expired', 'url_expired']);
      await user.reserve(packed.map(({ file }) => file));
      const taken = await sendPack(late.apiUrl, user, pack);
      expect(codesOf(taken.body.results)).toEqual(['ok', 'ok']);
      late.advance(301_000);
      const repeated = await sendPack(late.apiUrl, user, pack);
      expect(codesOf(repeated.body.results)).toEqual(['ok', 'ok']);
    } finally {
      await late.close();
    }
  });
});

describe('a pack that is cut off', () => {
  test('keeps what arrived whole, answers for all, and the rest goes in another one', async () => {
    const user = app.user();
    const packed = await reserved(user, 5, 3000);
    const whole = Buffer.concat([...partsOf(packed), END]);
    const upTo = Buffer.concat(partsOf(packed).slice(0, 4)).length + 2000;
    const { status, body } = await send(user, [whole.subarray(0, upTo)]);
    expect(status).toBe(200);
    expect(codesOf(body.results).slice(0, 3)).toEqual(['ok', 'ok', 'ok']);
    expect(body.results[3].success).toBe(false);
    expect(codesOf(body.results)[4]).toBe('not_uploaded');
    expect(await assetsOf(user)).toHaveLength(3);
    const rest = await send(user, [...partsOf(packed.slice(3)), END]);
    expect(codesOf(rest.body.results)).toEqual(['ok', 'ok']);
  });

  test('by a client that goes away keeps and finalizes what arrived whole', async () => {
    const user = app.user();
    const packed = await reserved(user, 4, 50_000);
    const parts = partsOf(packed);
    const sending = request(`${app.apiUrl}/api/upload-pack`, {
      method: 'POST',
      headers: {
        'x-user': user.id,
        'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
        'content-length': Buffer.concat([...parts, END]).length,
      },
    });
    sending.on('error', () => {});
    sending.write(Buffer.concat(parts.slice(0, 3)));
    sending.write((parts[3] ?? Buffer.alloc(0)).subarray(0, 30_000));
    // The first two files are stored as they arrive, and what came of the third is with the server.
    const isStored = async () => {
      const names = await filesIn(app.storeDir);
      const ids = packed.slice(0, 2).map(({ credential }) => credential.assetId);
      return ids.every((id) => names.some((name) => name.includes(id)));
    };
    await expect.poll(isStored, { timeout: 10_000 }).toBe(true);
    const closed = new Promise((resolve) => sending.once('close', resolve));
    sending.destroy();
    await closed;
    await expect.poll(() => assetsOf(user), { timeout: 10_000 }).toHaveLength(2);
    expect(await user.jobs()).toHaveLength(2);
    const { body } = await send(user, [...parts, END]);
    expect(codesOf(body.results)).toEqual(['ok', 'ok', 'ok', 'ok']);
    const temporary = (await filesIn(app.storeDir)).filter((name) =>
      /^\d+-[\da-f-]{36}/.test(name),
    );
    expect(temporary).toEqual([]);
  });
});

describe('a pack that does not keep the rules', () => {
  const codeOf = async (
    user: TestUser,
    parts: readonly Uint8Array[],
    headers?: Record<string, string>,
  ) => {
    const { status, body } = await send(user, parts, headers);
    return [status, body.code];
  };

  test('is refused by name: order, manifest, limits', async () => {
    const user = app.user();
    const packed = await reserved(user, 2);
    const [one, two] = packed;
    if (!one || !two) throw new Error('No files');
    const manifest = manifestOf(packed);
    const files = partsOf(packed).slice(1);
    const [entry] = manifest.files;
    if (!entry) throw new Error('No entry');
    const cases: [Uint8Array[], number, string][] = [
      [[...files, END], 400, 'invalid_request'],
      [[END], 400, 'invalid_request'],
      [[part('Content-Disposition: form-data; name="manifest"', '{'), END], 400, 'invalid_json'],
      [[manifestPart({ files: [] }), END], 400, 'invalid_request'],
      [[manifestPart({ ...manifest, more: 1 }), END], 400, 'invalid_request'],
      [[manifestPart({ files: [entry, entry] }), END], 400, 'invalid_request'],
      [[manifestPart({ files: Array(21).fill(entry) }), END], 413, 'batch_too_large'],
      [[manifestPart({ files: Array(501).fill(entry) }), END], 413, 'batch_too_large'],
      [[manifestPart({ files: [{ ...entry, size: 100_001 }] }), END], 413, 'file_too_large'],
      [[manifestPart('x'.repeat(MAX_PACK_MANIFEST_BYTES)), END], 413, 'body_too_large'],
      [[...partsOf([one, two]), filePart('more', new Uint8Array(1)), END], 400, 'invalid_request'],
    ];
    for (const [parts, status, code] of cases) {
      expect(await codeOf(user, parts)).toEqual([status, code]);
    }
    const many = Array.from({ length: 5 }, (_, i) => ({
      ...entry,
      assetId: entry.assetId.replace(/^./, String(i)),
      size: 90_000,
    }));
    expect(await codeOf(user, [manifestPart({ files: many }), END])).toEqual([
      413,
      'body_too_large',
    ]);
    const json = { 'content-type': 'application/json' };
    expect(await codeOf(user, [END], json)).toEqual([415, 'unsupported_media_type']);
    const long = { 'content-type': `multipart/form-data; boundary=${'b'.repeat(71)}` };
    expect(await codeOf(user, [END], long)).toEqual([400, 'invalid_request']);
  });

  test('keeps what came in order before a part of another name', async () => {
    const user = app.user();
    const packed = await reserved(user, 3);
    const [manifest, first, second, third] = partsOf(packed);
    if (!manifest || !first || !second || !third) throw new Error('No parts');
    expect(await codeOf(user, [manifest, first, third, second, END])).toEqual([
      400,
      'invalid_request',
    ]);
    expect(await assetsOf(user)).toHaveLength(1);
    const { body } = await send(user, [manifest, first, second, third, END]);
    expect(codesOf(body.results)).toEqual(['ok', 'ok', 'ok']);
  });

  test('needs somebody signed in, and a page of this site', async () => {
    const user = app.user();
    const pack = [...partsOf(await reserved(user, 1)), END];
    expect(await codeOf(user, pack, { origin: 'https://evil.example' })).toEqual([
      403,
      'forbidden_origin',
    ]);
    expect(await codeOf(user, pack, { 'x-user': '' })).toEqual([401, 'unauthenticated']);
  });

  test('is no route where packs are off', async () => {
    const without = await startTestServer({ packs: false });
    try {
      const user = without.user();
      const answer = await user.call('POST', '/api/upload-urls', {
        files: [promiseOf(jpeg('a.jpg'))],
      });
      expect(answer.body).not.toHaveProperty('pack');
      const pack = [...partsOf(await reserved(user, 1)), END];
      expect((await sendPack(without.apiUrl, user, pack)).status).toBe(404);
    } finally {
      await without.close();
    }
  });
});

describe('T34: a hostile pack', () => {
  test('T34: neither names nor takes reservations of others', async () => {
    const [ada, eve] = [app.user(), app.user()];
    const packed = await reserved(ada, 2);
    const { status, body } = await send(eve, [...partsOf(packed), END]);
    expect(status).toBe(200);
    expect(codesOf(body.results)).toEqual(['not_found', 'not_found']);
    const stored = await filesIn(app.storeDir);
    for (const { credential } of packed) expect(stored).not.toContain(credential.assetId);
    expect((await send(ada, [...partsOf(packed), END])).status).toBe(200);
  });

  test('T34: part headers set nothing: neither names, nor types, nor more parts', async () => {
    const user = app.user();
    const packed = await reserved(user, 1);
    const [one] = packed;
    if (!one) throw new Error('No file');
    const { assetId } = one.credential;
    const heads = [
      `Content-Disposition: form-data; name="${assetId}"; filename="../../etc/passwd\0"`,
      `Content-Disposition: form-data; name="${assetId}"; filename="a\\"\\r\\nSet-Cookie: x=1"`,
      `Content-Disposition: form-data; name="${assetId}"\r\nContent-Type: text/html\r\nX-User: root`,
      `Content-Disposition: form-data; name="${assetId}"\r\n__proto__: x\r\nconstructor: y`,
      `content-disposition:form-data;name=${assetId};filename*=utf-8''%0d%0aX: y`,
    ];
    for (const head of heads) {
      const parts = [manifestPart(manifestOf(packed)), part(head, one.file.bytes), END];
      const { status, body, headers } = await send(user, parts);
      expect([status, codesOf(body.results)]).toEqual([200, ['ok']]);
      expect(headers.get('set-cookie')).toBeNull();
    }
    const [asset] = await assetsOf(user);
    expect(asset).toMatchObject({ filename: '0.jpg', mime_type: 'image/jpeg', user_id: user.id });
  });

  test('T34: a boundary within the bytes of a file is bytes, unless it begins a line', async () => {
    const user = app.user();
    const packed = await reserved(user, 2);
    const [one, two] = packed;
    if (!one || !two) throw new Error('No files');
    // A boundary in the middle of a line, and half of one at a line's start.
    const bytes = Buffer.from(one.file.bytes);
    bytes.write(`--${BOUNDARY}--`, 300);
    bytes.write(`\r\n--${BOUNDARY.slice(0, -1)}`, 500);
    const file = { ...one.file, clientId: 'boundaries', bytes: new Uint8Array(bytes) };
    const [result] = await user.reserve([file]);
    if (result?.status !== 'granted') throw new Error('Not granted');
    const own = { file, credential: result.credential };
    const taken = await send(user, [...partsOf([own, two]), END]);
    expect(codesOf(taken.body.results)).toEqual(['ok', 'ok']);
    // A real one ends the file early: it is short then, and what follows is a part of another name.
    const split = Buffer.from(one.file.bytes);
    const smuggled = filePart('smuggled', new Uint8Array(10));
    Buffer.concat([Buffer.from('\r\n'), smuggled]).copy(split, 200);
    const cut = await send(user, [
      manifestPart(manifestOf([one])),
      filePart(one.credential.assetId, split),
      END,
    ]);
    expect([cut.status, cut.body.code]).toEqual([400, 'invalid_request']);
    expect((await user.finalize(one.credential.assetId)).body.code).toBe('not_uploaded');
  });

  test('T34: of thousands of parts, of endless headers and preambles, little is read', async () => {
    const user = app.user();
    const packed = await reserved(user, 1);
    const manifest = manifestPart(manifestOf(packed));
    const nothing = filePart('x', new Uint8Array());
    const answers = await Promise.all([
      send(user, [manifest, ...Array(5000).fill(nothing), END]),
      send(user, [part('Content-Disposition: form-data', ''), ...Array(5000).fill(nothing), END]),
      send(user, [Buffer.alloc(2_000_000, 'preamble '), manifest, END]),
      send(user, [part(`X: ${'y'.repeat(2_000_000)}`, ''), END]),
      send(user, [part('X: y\r\n'.repeat(100_000), ''), END]),
    ]);
    for (const { status, body } of answers) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(['invalid_request', 'body_too_large', 'batch_too_large']).toContain(body.code);
    }
    const { body } = await send(user, [...partsOf(packed), END]);
    expect(codesOf(body.results)).toEqual(['ok']);
  });
});
