import { randomUUID } from 'node:crypto';
import {
  credentialSchema,
  type PROBLEMS,
  uploadCompleteBatchResponseSchema,
  uploadCompleteResponseSchema,
  uploadUrlsResponseSchema,
} from 'bulkhead/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  filesIn,
  grantedOf,
  jpeg,
  promiseOf,
  putTo,
  sha256,
  startTestServer,
  type TestFile,
  type TestServer,
} from './fixtures/test-server.ts';

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer();
});
afterAll(() => app?.close());

const withBytes = (file: TestFile, content: string | Uint8Array<ArrayBuffer>): TestFile => ({
  ...file,
  bytes:
    typeof content === 'string'
      ? (new TextEncoder().encode(content) as Uint8Array<ArrayBuffer>)
      : content,
});
const filesOf = async (assetId: string) =>
  (await filesIn(app.storeDir)).filter((name) => name.startsWith(assetId));

describe('credentials', () => {
  test('a batch grants each file, in order, for five minutes', async () => {
    const files = [jpeg('a.jpg'), jpeg('b.jpg')];
    const answer = await app.user().call('POST', '/api/upload-urls', {
      files: files.map(promiseOf),
    });
    const { results } = uploadUrlsResponseSchema.parse(answer.body);
    expect(results.map(({ clientId }) => clientId)).toEqual(files.map((f) => f.clientId));
    for (const result of results) {
      const credential = grantedOf(result);
      expect(credential.expiresInMs).toBe(300_000);
      expect(Math.abs(Date.parse(credential.expiresAt) - app.now() - 300_000)).toBeLessThan(5000);
      expect(new URL(credential.uploadUrl).origin).toBe(app.storeUrl);
      expect(credential.pathname).toMatch(/^u\/[0-9a-f]{32}\/\d{4}\/[0-9a-f-]{36}$/);
      expect(credential.pathname.endsWith(credential.assetId)).toBe(true);
    }
  });

  test('the single form answers a credential that works', async () => {
    const user = app.user();
    const file = jpeg('holiday photo.jpg');
    const { clientId: _, ...promise } = promiseOf(file);
    const query = new URLSearchParams(Object.entries(promise).map(([k, v]) => [k, String(v)]));
    const answer = await user.call('GET', `/api/upload-url?${query}`);
    const credential = credentialSchema.parse(answer.body);
    expect((await putTo(credential, file.bytes)).status).toBe(201);
    const finalized = await user.finalize(credential.assetId);
    expect(uploadCompleteResponseSchema.parse(finalized.body).asset.id).toBe(credential.assetId);
  });

  test('the single form refuses with the file’s own problem', async () => {
    const query = new URLSearchParams({
      filename: 'a.jpg',
      mimeType: 'image/jpeg',
      size: '0',
      checksum: sha256(new Uint8Array()),
    });
    const answer = await app.user().call('GET', `/api/upload-url?${query}`);
    expect([answer.status, answer.body.code]).toEqual([422, 'empty_file']);
  });

  test('asking again renews the same reservation, with a fresh signature', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const first = grantedOf((await user.reserve([file]))[0]);
    app.advance(200_000);
    const second = grantedOf((await user.reserve([file]))[0]);
    expect(second.assetId).toBe(first.assetId);
    expect(second.uploadUrl).not.toBe(first.uploadUrl);
    app.advance(200_000);
    expect((await putTo(first, file.bytes)).body.code).toBe('url_expired');
    expect((await putTo(second, file.bytes)).status).toBe(201);
  });

  test('twenty identical requests at once make one reservation', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const answers = await Promise.all(Array.from({ length: 20 }, () => user.reserve([file])));
    expect(new Set(answers.map(([result]) => grantedOf(result).assetId)).size).toBe(1);
  });

  test('a client id said twice in a batch is one file; for another file it is a conflict', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const other = { ...jpeg('b.jpg'), clientId: file.clientId };
    const [first, second, third] = await user.reserve([file, file, other]);
    expect(grantedOf(second).assetId).toBe(grantedOf(first).assetId);
    expect(third).toMatchObject({ status: 'rejected', error: { code: 'client_id_conflict' } });
    const [again] = await user.reserve([other]);
    expect(again).toMatchObject({ status: 'rejected', error: { code: 'client_id_conflict' } });
  });

  test('client ids of different users have nothing to do with each other', async () => {
    const file = jpeg('a.jpg');
    const [ada, grace] = await Promise.all([
      app.user().reserve([file]),
      app.user().reserve([file]),
    ]);
    expect(grantedOf(ada[0]).assetId).not.toBe(grantedOf(grace[0]).assetId);
  });

  test('a finalized client id, and the same bytes by any id, are duplicates', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const id = await user.upload(file);
    await user.finalize(id);
    const renamed = { ...file, clientId: randomUUID(), filename: 'copy of a.jpg' };
    for (const result of await user.reserve([file, renamed])) {
      expect(result).toMatchObject({ status: 'duplicate', asset: { id, isDuplicate: true } });
    }
  });

  test('a checksum is a duplicate only of the user’s own verified bytes', async () => {
    const file = jpeg('secret.jpg');
    const ada = app.user();
    await ada.reserve([file]);
    // Reserved but not uploaded: a claim.
    const copy = { ...file, clientId: randomUUID() };
    expect((await ada.reserve([copy]))[0]?.status).toBe('granted');
    await ada.finalize(await ada.upload(copy));
    expect((await app.user().reserve([file]))[0]?.status).toBe('granted');
  });

  test('a batch of 500 is answered in one go, and 501 are refused by number', async () => {
    const user = app.user();
    const files = Array.from({ length: 500 }, (_, i) => promiseOf(jpeg(`${i}.jpg`, 20)));
    const startedMs = performance.now();
    const answer = await user.call('POST', '/api/upload-urls', { files });
    expect(answer.body.results).toHaveLength(500);
    expect(performance.now() - startedMs).toBeLessThan(2000);
    const tooMany = await user.call('POST', '/api/upload-urls', {
      files: [...files, promiseOf(jpeg('501.jpg'))],
    });
    expect([tooMany.status, tooMany.body.code]).toEqual([413, 'batch_too_large']);
    expect(tooMany.body.detail).toContain('501');
  });
});

describe('files refused before a byte is sent, while the others go on', () => {
  const cases: [string, Partial<ReturnType<typeof promiseOf>>, keyof typeof PROBLEMS][] = [
    ['an empty file', { size: 0 }, 'empty_file'],
    ['a file over the limit', { size: 100 * 1024 * 1024 + 1 }, 'file_too_large'],
    ['a type that is not taken', { mimeType: 'application/pdf' }, 'unsupported_type'],
    ['TIFF, which processing does not decode', { mimeType: 'image/tiff' }, 'unsupported_type'],
    ['SVG by its type', { mimeType: 'image/svg+xml' }, 'unsupported_type'],
    ['no type and no known extension', { mimeType: '', filename: 'a.txt' }, 'unsupported_type'],
    ['an extension given as a type', { mimeType: 'jpg' }, 'unsupported_type'],
    ['a name with NUL', { filename: 'a\0.jpg' }, 'invalid_name'],
    ['a name of 1,025 bytes', { filename: `${'é'.repeat(512)}a` }, 'invalid_name'],
    ['a name with half a character', { filename: 'a\ud800.jpg' }, 'invalid_name'],
    ['a path that is too long', { path: 'x/'.repeat(600) }, 'invalid_name'],
    ['a client id with NUL', { clientId: 'a\0' }, 'invalid_request'],
  ];

  test.each(cases)('%s', async (_, change, code) => {
    const user = app.user();
    const [bad, good] = [{ ...promiseOf(jpeg('a.jpg')), ...change }, promiseOf(jpeg('b.jpg'))];
    const { body } = await user.call('POST', '/api/upload-urls', { files: [bad, good] });
    expect(body.results[0]).toMatchObject({ status: 'rejected', error: { code } });
    expect(body.results[0].error.detail).not.toBe('');
    expect(body.results[1].status).toBe('granted');
  });

  test('the type of a file without one is told by its extension', async () => {
    const files = ['a.JPG', 'b.webp', 'c.GIF', 'd.avif'].map((name) => ({
      ...jpeg(name),
      mimeType: '',
    }));
    const types = (await app.user().reserve(files)).map(
      (result) => grantedOf(result).headers['Content-Type'],
    );
    expect(types).toEqual(['image/jpeg', 'image/webp', 'image/gif', 'image/avif']);
  });
});

test.each([
  ['a path upwards', '../../etc/passwd.jpg'],
  ['emoji', '🎉👩‍👩‍👧 party.jpg'],
  ['quotes', `"it's".jpg`],
  ['a line break', 'two\r\nlines.jpg'],
  ['255 bytes', `${'x'.repeat(251)}.jpg`],
  ['1,024 bytes', `${'é'.repeat(510)}.jpg`],
  ['right-to-left override', 'photo\u202egpj.exe.jpg'],
  ['decomposed accents', 'e\u0301te\u0301.jpg'],
  ['SQL', `'; drop table assets; --.jpg`],
  ['a reserved name', 'CON.jpg'],
])('a name with %s comes back exactly and decides nothing', async (_, filename) => {
  const user = app.user();
  const path = `holiday/${filename}`.slice(0, 500);
  const id = await user.upload({ ...jpeg(filename), path });
  await user.finalize(id);
  const { body } = await user.call('GET', `/api/assets/${id}`);
  expect(body.asset).toMatchObject({ filename, path });
  expect(await filesOf(id)).toEqual([id, `${id}.meta`]);
  const download = await fetch(body.asset.blobUrl);
  const disposition = download.headers.get('content-disposition') ?? '';
  expect(decodeURIComponent(disposition.split("UTF-8''")[1] ?? '')).toBe(filename);
});

describe('finalize', () => {
  test('makes one asset with one job, and a repeat gives the same answer', async () => {
    const user = app.user();
    const id = await user.upload(jpeg('a.jpg'));
    const first = await user.finalize(id);
    expect(first.body).toMatchObject({
      success: true,
      asset: { id, isDuplicate: false, needsProcessing: true },
    });
    expect((await user.finalize(id)).body).toEqual(first.body);
    expect(await user.jobs()).toEqual([{ name: 'process', asset_id: id, priority: 0 }]);
  });

  test('fifty at once make one job and give fifty identical answers', async () => {
    const user = app.user();
    const id = await user.upload(jpeg('a.jpg'));
    const answers = await Promise.all(Array.from({ length: 50 }, () => user.finalize(id)));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    expect(await user.jobs()).toHaveLength(1);
  });

  test('the same bytes under two ids are one asset; the second blob goes', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const copy = { ...file, clientId: randomUUID(), filename: 'b.jpg' };
    const [first, second] = [await user.upload(file), await user.upload(copy)];
    const { body } = await user.call('POST', '/api/upload-complete', {
      uploads: [{ assetId: first }, { assetId: second }],
    });
    const assets = body.results.map((result: { asset: { id: string } }) => result.asset.id);
    expect(new Set(assets).size).toBe(1);
    const flags = body.results.map((r: { asset: { isDuplicate: boolean } }) => r.asset.isDuplicate);
    expect(flags.sort()).toEqual([false, true]);
    const [kept, dropped] = assets[0] === first ? [first, second] : [second, first];
    expect(await filesOf(kept)).toHaveLength(2);
    await expect.poll(() => filesOf(dropped)).toEqual([]);
    expect(await user.jobs()).toHaveLength(1);
    expect((await user.finalize(second)).body.asset.id).toBe(assets[0]);
  });

  test('two users with the same bytes have an asset each', async () => {
    const file = jpeg('a.jpg');
    for (const user of [app.user(), app.user()]) {
      const id = await user.upload(file);
      expect((await user.finalize(id)).body.asset).toMatchObject({ id, isDuplicate: false });
    }
  });

  test('before the bytes it says so and changes nothing', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const credential = grantedOf((await user.reserve([file]))[0]);
    const early = await user.finalize(credential.assetId);
    expect([early.status, early.body.code]).toEqual([409, 'not_uploaded']);
    await putTo(credential, file.bytes);
    expect((await user.finalize(credential.assetId)).status).toBe(200);
  });

  test('a foreign id is as unknown as one that never was', async () => {
    const id = await app.user().upload(jpeg('a.jpg'));
    const stranger = app.user();
    const foreign = await stranger.finalize(id);
    const unknown = await stranger.finalize(randomUUID());
    expect([foreign.status, foreign.body.code]).toEqual([404, 'not_found']);
    expect(foreign.body).toEqual(unknown.body);
  });

  test('a URL or a state in the body is refused, never followed', async () => {
    const user = app.user();
    const id = await user.upload(jpeg('a.jpg'));
    for (const extra of [
      { blobUrl: 'http://169.254.169.254/' },
      { state: 'finalized' },
      { userId: 'someone else' },
    ]) {
      const answer = await user.call('POST', '/api/upload-complete', { assetId: id, ...extra });
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
      expect(answer.body.detail).toContain(Object.keys(extra)[0]);
    }
  });

  test('another checksum than was promised is answered and changes nothing', async () => {
    const user = app.user();
    const file = jpeg('a.jpg');
    const assetId = await user.upload(file);
    const wrong = { assetId, checksum: sha256(new Uint8Array(1)) };
    const answer = await user.call('POST', '/api/upload-complete', wrong);
    expect([answer.status, answer.body.code]).toEqual([400, 'checksum_mismatch']);
    const right = { assetId, checksum: sha256(file.bytes) };
    expect((await user.call('POST', '/api/upload-complete', right)).status).toBe(200);
  });

  const disguised: [string, string | Uint8Array<ArrayBuffer>, string][] = [
    ['text renamed to .jpg', 'just some words', 'not_an_image'],
    ['HTML renamed to .jpg', '<!doctype html><script>alert(1)</script>', 'not_an_image'],
    ['an SVG renamed to .png', '<?xml version="1.0"?><svg xmlns="x"/>', 'svg_refused'],
    ['an SVG behind spaces and a comment', '\ufeff \n<!-- hi --><SVG onload="x()">', 'svg_refused'],
    ['a PDF', '%PDF-1.7\n%âãÏÓ', 'not_an_image'],
    ['a ZIP', new Uint8Array([0x50, 0x4b, 3, 4, ...new Array(60).fill(0)]), 'not_an_image'],
    ['zeros', new Uint8Array(500), 'not_an_image'],
    ['one byte', new Uint8Array([0xff]), 'not_an_image'],
  ];

  test.each(disguised)('%s is refused, forgotten, and remembered', async (_, content, code) => {
    const user = app.user();
    const file = withBytes(jpeg('photo.jpg'), content);
    const good = jpeg('good.jpg');
    const [badId, goodId] = [await user.upload(file), await user.upload(good)];
    const { body } = await user.call('POST', '/api/upload-complete', {
      uploads: [{ assetId: badId }, { assetId: goodId }],
    });
    const { results } = uploadCompleteBatchResponseSchema.parse(body);
    expect(results[0]).toMatchObject({ success: false, error: { code } });
    expect(results[1]).toMatchObject({ success: true });
    await expect.poll(() => filesOf(badId)).toEqual([]);
    const repeat = await user.finalize(badId);
    expect([repeat.status, repeat.body.code]).toEqual([422, code]);
    expect(await user.jobs()).toHaveLength(1);
    // The client may try again with its id; that is another upload.
    const again = grantedOf((await user.reserve([file]))[0]);
    expect(again.assetId).not.toBe(badId);
  });

  test('records the type of the bytes, not the one that was claimed', async () => {
    const user = app.user();
    const gif = withBytes(jpeg('claims-to-be.jpg'), `GIF89a${'\0'.repeat(60)}`);
    const id = await user.upload(gif);
    await user.finalize(id);
    const { body } = await user.call('GET', `/api/assets/${id}`);
    expect(body.asset.mimeType).toBe('image/gif');
  });

  test('a hundred take a fraction of a second', async () => {
    const user = app.user();
    const tookMs: number[] = [];
    // The best of three: other work on the machine is not what is measured.
    for (let round = 0; round < 3; round++) {
      const ids = await Promise.all(
        Array.from({ length: 100 }, (_, i) => user.upload(jpeg(`${round}-${i}.jpg`))),
      );
      app.advance(3_600_000);
      const uploads = ids.map((assetId) => ({ assetId }));
      const startedMs = performance.now();
      const { body } = await user.call('POST', '/api/upload-complete', { uploads });
      tookMs.push(performance.now() - startedMs);
      expect(body.results.every(({ success }: { success: boolean }) => success)).toBe(true);
    }
    expect(await user.jobs()).toHaveLength(300);
    // The promise is 200 ms on a machine that does nothing else.
    expect(Math.min(...tookMs)).toBeLessThan(600);
  });

  test('501 are refused by number', async () => {
    const uploads = Array.from({ length: 501 }, () => ({ assetId: randomUUID() }));
    const answer = await app.user().call('POST', '/api/upload-complete', { uploads });
    expect([answer.status, answer.body.code]).toEqual([413, 'batch_too_large']);
  });

  test('an object that is not what was promised is deleted and the upload rejected', async () => {
    const user = app.user();
    for (const [planted, code] of [
      [new Uint8Array(1001), 'size_mismatch'],
      [new Uint8Array(1000), 'checksum_mismatch'],
    ] as const) {
      const credential = grantedOf((await user.reserve([jpeg('a.jpg', 1000)]))[0]);
      // Past the store's own checks, as a store without them would let it.
      await app.store.write(credential.pathname, planted, 'image/jpeg');
      const answer = await user.finalize(credential.assetId);
      expect([answer.status, answer.body.code]).toEqual([400, code]);
      await expect.poll(() => filesOf(credential.assetId)).toEqual([]);
      expect((await user.finalize(credential.assetId)).body.code).toBe(code);
    }
  });

  test('a failing queue leaves no asset behind, and the next finalize succeeds', async () => {
    let isBroken = true;
    const other = await startTestServer({
      queue: {
        enqueue: async () => {
          if (isBroken) throw new Error('the queue is down');
        },
        work: async () => {},
        drain: async () => 0,
        depth: async () => 0,
        pending: async () => new Set<string>(),
        start: async () => {},
        stop: async () => {},
      },
    });
    const user = other.user();
    const id = await user.upload(jpeg('a.jpg'));
    expect((await user.finalize(id)).status).toBe(500);
    expect((await user.call('GET', '/api/assets')).body.assets).toEqual([]);
    isBroken = false;
    expect((await user.finalize(id)).body.asset.isDuplicate).toBe(false);
    await other.close();
  });
});
