import { randomUUID } from 'node:crypto';
import { reconcileResponseSchema } from 'bulkhead/protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { SWEEP_GRACE_MS } from '../src/uploads/sweep.ts';
import {
  grantedOf,
  jpeg,
  promiseOf,
  startTestServer,
  type TestFile,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

const takenBy: string[] = [];
let app: TestServer;
beforeAll(async () => {
  app = await startTestServer({
    rateLimiter: {
      async consume(userId) {
        takenBy.push(userId);
        return { allowed: true, retryAfter: 0, remaining: 1 };
      },
    },
  });
});
afterAll(() => app?.close());

const ask = (user: TestUser, files: readonly TestFile[]) => {
  const asked = files.map((file) => {
    const { clientId, checksum } = promiseOf(file);
    return { clientId, checksum };
  });
  return user.call('POST', '/api/uploads/reconcile', { files: asked });
};

async function reconcile(user: TestUser, ...files: readonly TestFile[]) {
  const answer = await ask(user, files);
  expect(answer.status).toBe(200);
  const { results } = reconcileResponseSchema.parse(answer.body);
  expect(results.map(({ clientId }) => clientId)).toEqual(files.map(({ clientId }) => clientId));
  return results;
}

async function finalized(user: TestUser, file: TestFile) {
  const assetId = await user.upload(file);
  expect((await user.finalize(assetId)).status).toBe(200);
  return assetId;
}

const twinOf = (file: TestFile): TestFile => ({ ...file, clientId: randomUUID() });

const rowsOf = ({ id }: TestUser) =>
  Promise.all([
    app.database.db.selectFrom('uploads').selectAll().where('user_id', '=', id).execute(),
    app.database.db.selectFrom('assets').selectAll().where('user_id', '=', id).execute(),
  ]);

test('tells finalized, stored and unknown uploads apart, in order, and writes nothing', async () => {
  const user = app.user();
  const [unknown, reserved, arrived, done] = [
    jpeg('a.jpg'),
    jpeg('b.jpg'),
    jpeg('c.jpg'),
    jpeg('d.jpg'),
  ];
  await user.reserve([reserved]);
  const arrivedId = await user.upload(arrived);
  const doneId = await finalized(user, done);
  const before = await rowsOf(user);
  expect(await reconcile(user, done, unknown, arrived, reserved)).toMatchObject([
    { status: 'finalized', asset: { id: doneId, isDuplicate: false, needsProcessing: true } },
    { status: 'unknown' },
    { status: 'uploaded', assetId: arrivedId },
    { status: 'unknown' },
  ]);
  expect(await rowsOf(user)).toEqual(before);
});

test('says of what is finalized what finalize said', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const { body } = await user.finalize(await user.upload(file));
  expect(await reconcile(user, file)).toMatchObject([{ asset: { ...body.asset } }]);
});

test('what it calls uploaded is finalized', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  await user.upload(file);
  const [result] = await reconcile(user, file);
  const assetId = result?.status === 'uploaded' ? result.assetId : '';
  expect((await user.finalize(assetId)).body.asset).toMatchObject({ id: assetId });
});

test('the same bytes by another client id are a duplicate', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const id = await finalized(user, file);
  const twin = twinOf(file);
  const duplicate = { status: 'finalized', asset: { id, isDuplicate: true } };
  expect(await reconcile(user, twin)).toMatchObject([duplicate]);
});

test('an upload that was finalized as a duplicate stays one', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const twin = twinOf(file);
  const [first, second] = [await user.upload(file), await user.upload(twin)];
  await user.finalize(first);
  await user.finalize(second);
  expect(await reconcile(user, twin)).toMatchObject([
    { status: 'finalized', asset: { id: first, isDuplicate: true } },
  ]);
});

test('a second copy in the store is left to finalize, which removes it', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const twin = twinOf(file);
  const [first, second] = [await user.upload(file), await user.upload(twin)];
  await user.finalize(first);
  expect(await reconcile(user, twin)).toMatchObject([{ status: 'uploaded', assetId: second }]);
  const { asset } = (await user.finalize(second)).body;
  expect(asset).toMatchObject({ id: first, isDuplicate: true });
});

test('other bytes under the same client id are unknown', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  await user.upload(file);
  const changed = { ...jpeg('a.jpg'), clientId: file.clientId };
  expect(await reconcile(user, changed)).toMatchObject([{ status: 'unknown' }]);
});

test('an object that is not what was promised is unknown', async () => {
  const user = app.user();
  for (const planted of [new Uint8Array(999), new Uint8Array(1000)]) {
    const file = jpeg('a.jpg', 1000);
    const { pathname } = grantedOf((await user.reserve([file]))[0]);
    // Past the store's own checks, as a store without them would let it.
    await app.store.write(pathname, planted, 'image/jpeg');
    expect(await reconcile(user, file)).toMatchObject([{ status: 'unknown' }]);
  }
});

test('a store that vouches for no checksum is believed in the size', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const assetId = await user.upload(file);
  const head = vi.spyOn(app.store, 'head');
  head.mockResolvedValueOnce({ sizeBytes: file.bytes.length });
  expect(await reconcile(user, file)).toMatchObject([{ status: 'uploaded', assetId }]);
  head.mockRestore();
});

test('what finalize refused is unknown', async () => {
  const user = app.user();
  const bytes = new TextEncoder().encode('no image at all') as Uint8Array<ArrayBuffer>;
  const file = { ...jpeg('a.jpg'), bytes };
  expect((await user.finalize(await user.upload(file))).body.code).toBe('not_an_image');
  expect(await reconcile(user, file)).toMatchObject([{ status: 'unknown' }]);
});

test('what another user has is unknown', async () => {
  const file = jpeg('a.jpg');
  await finalized(app.user(), file);
  await app.user().upload(file);
  expect(await reconcile(app.user(), file)).toMatchObject([{ status: 'unknown' }]);
});

test('hours later it is still uploaded; what the sweep may take before finalize is not', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const assetId = await user.upload(file);
  app.advance(SWEEP_GRACE_MS - 10_000);
  expect(await reconcile(user, file)).toMatchObject([{ status: 'uploaded', assetId }]);
  app.advance(20_000);
  expect(await reconcile(user, file)).toMatchObject([{ status: 'unknown' }]);
  app.advance(300_000);
  await app.server.sweep();
  expect(await reconcile(user, file)).toMatchObject([{ status: 'unknown' }]);
  expect((await user.reserve([file]))[0]?.status).toBe('granted');
});

test('a finalized upload is known for good', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const id = await finalized(user, file);
  app.advance(10 * SWEEP_GRACE_MS);
  await app.server.sweep();
  expect(await reconcile(user, file)).toMatchObject([{ status: 'finalized', asset: { id } }]);
});

test('a client id that no reservation can have is unknown, and the others are answered', async () => {
  const user = app.user();
  const file = jpeg('a.jpg');
  const id = await finalized(user, file);
  const odd = ['a\0', 'a\ud800'].map((clientId) => ({ ...jpeg('b.jpg'), clientId }));
  expect(await reconcile(user, ...odd, file)).toMatchObject([
    { status: 'unknown' },
    { status: 'unknown' },
    { status: 'finalized', asset: { id } },
  ]);
  expect(await reconcile(user, ...odd)).toMatchObject([
    { status: 'unknown' },
    { status: 'unknown' },
  ]);
});

test('500 are answered in one go, with at most 16 looks at the store at once', async () => {
  const user = app.user();
  const files = Array.from({ length: 500 }, (_, i) => jpeg(`${i}.jpg`, 20));
  const reserved = files.slice(0, 100);
  await user.reserve(reserved);
  const { head } = app.store;
  let open = 0;
  let most = 0;
  const looks = vi.spyOn(app.store, 'head').mockImplementation(async (key) => {
    open += 1;
    most = Math.max(most, open);
    await new Promise(setImmediate);
    return head(key).finally(() => {
      open -= 1;
    });
  });
  const startedMs = performance.now();
  const results = await reconcile(user, ...files);
  expect(performance.now() - startedMs).toBeLessThan(2000);
  expect(results.every(({ status }) => status === 'unknown')).toBe(true);
  expect([looks.mock.calls.length, most]).toEqual([reserved.length, 16]);
  looks.mockRestore();
});

test('refuses what does not fit, and takes no token', async () => {
  const user = app.user();
  const empty = await ask(user, []);
  expect([empty.status, empty.body.code]).toEqual([400, 'invalid_request']);
  const tooLong = await ask(
    user,
    Array.from({ length: 501 }, () => jpeg('a.jpg', 1)),
  );
  expect([tooLong.status, tooLong.body.code]).toEqual([413, 'batch_too_large']);
  await reconcile(user, jpeg('a.jpg'));
  expect(takenBy).not.toContain(user.id);
  await user.reserve([jpeg('a.jpg')]);
  expect(takenBy).toContain(user.id);
});
