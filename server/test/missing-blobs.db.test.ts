import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from './fixtures/databases.ts';
import {
  grantedOf,
  jpeg,
  promiseOf,
  putTo,
  startTestServer,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer();
});
afterAll(() => app?.close());

const rowOf = (id: string) =>
  app.database.db.selectFrom('assets').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

async function finalized(user: TestUser) {
  const file = jpeg('a.jpg');
  const id = await user.upload(file);
  await user.finalize(id);
  return { id, file, key: (await rowOf(id)).key };
}

test('65: an asset whose object is gone is flagged, and the same bytes mend it', async () => {
  const { store, server, user } = app;
  const ada = user();
  const { id, file, key } = await finalized(ada);
  await store.delete([key]);
  const { version } = await rowOf(id);
  await server.sweep();
  const flagged = (await ada.call('GET', `/api/assets/${id}`)).body.asset;
  expect(flagged).toMatchObject({ stage: 'failed', processingError: { code: 'missing_blob' } });
  expect(flagged.version).toBeGreaterThan(version);

  // Whoever asks is told to send it: the page that sent it before, and any other.
  const { clientId } = file;
  const known = { files: [{ clientId, checksum: promiseOf(file).checksum }] };
  const { results } = (await ada.call('POST', '/api/uploads/reconcile', known)).body;
  expect(results).toEqual([{ clientId, status: 'unknown' }]);
  const credential = grantedOf((await ada.reserve([file]))[0]);
  expect(credential.assetId).not.toBe(id);
  expect((await putTo(credential, file.bytes)).status).toBe(201);
  const answer = await ada.finalize(credential.assetId);
  expect(answer.body.asset).toMatchObject({ id, isDuplicate: false, needsProcessing: true });

  const mended = await rowOf(id);
  expect(mended).toMatchObject({ processed: false, failed: false, processing_error: null });
  expect([mended.key, mended.blob_missing_at]).toEqual([credential.pathname, null]);
  expect(await store.head(mended.key)).toBeDefined();
  expect(await ada.jobs()).toHaveLength(2);
  const read = await fetch(answer.body.asset.blobUrl);
  expect(new Uint8Array(await read.arrayBuffer())).toEqual(file.bytes);

  // Both uploads keep their answer, the bytes are a duplicate again, and no sweep takes the new object.
  expect((await ada.finalize(id)).body.asset.id).toBe(id);
  expect((await ada.finalize(credential.assetId)).body.asset.id).toBe(id);
  expect((await ada.reserve([file]))[0]).toMatchObject({ status: 'duplicate', asset: { id } });
  app.advance(3 * 24 * 3_600_000);
  await server.sweep();
  expect(await store.head(mended.key)).toBeDefined();
  expect((await rowOf(id)).blob_missing_at).toBeNull();
});

test('of many uploads of the lost bytes at once, one mends and the others are duplicates', async () => {
  const { store, server, user, database } = app;
  const ada = user();
  const { id, file, key } = await finalized(ada);
  await store.delete([key]);
  await server.sweep();
  const copies = Array.from({ length: 8 }, () => ({ ...file, clientId: randomUUID() }));
  const credentials = (await ada.reserve(copies)).map(grantedOf);
  for (const credential of credentials) await putTo(credential, file.bytes);
  const answers = await Promise.all(credentials.map(({ assetId }) => ada.finalize(assetId)));
  expect(answers.map(({ body }) => body.asset.id)).toEqual(copies.map(() => id));
  expect(answers.filter(({ body }) => !body.asset.isDuplicate)).toHaveLength(1);
  const heads = await Promise.all(credentials.map(({ pathname }) => store.head(pathname)));
  expect(heads.filter(Boolean)).toHaveLength(1);
  expect(await store.head((await rowOf(id)).key)).toBeDefined();
  expect(await ada.jobs()).toHaveLength(2);
  const rows = await database.db
    .selectFrom('uploads')
    .select('is_duplicate')
    .where('asset_id', '=', id)
    .execute();
  expect(rows.filter((row) => row.is_duplicate)).toHaveLength(7);
});

test('bytes that were sent as a duplicate replace lost ones that no sweep has missed yet', async () => {
  const { store, user } = app;
  const ada = user();
  const file = jpeg('a.jpg');
  const copy = { ...file, clientId: randomUUID() };
  const [original, second] = [await ada.upload(file), grantedOf((await ada.reserve([copy]))[0])];
  await putTo(second, file.bytes);
  await ada.finalize(original);
  await store.delete([(await rowOf(original)).key]);
  const answer = await ada.finalize(second.assetId);
  expect(answer.body.asset).toMatchObject({ id: original, isDuplicate: false });
  expect((await rowOf(original)).key).toBe(second.pathname);
  expect(await store.head(second.pathname)).toBeDefined();
});

test('an asset that failed for want of its bytes can be sent again before any sweep', async () => {
  const { store, user, database } = app;
  const ada = user();
  for (const code of ['missing_blob', 'max_retries_exceeded']) {
    const { id, file, key } = await finalized(ada);
    const failure = `update assets set failed = true, processing_error = '{"code":"${code}"}'
      where id = '${id}'`;
    await run(database.db, failure);
    // Its bytes are there: it failed for another reason.
    expect((await ada.reserve([file]))[0]?.status).toBe('duplicate');
    await store.delete([key]);
    expect((await ada.reserve([file]))[0]?.status).toBe('granted');
  }
});

test('an asset whose object is there again goes on where it stood', async () => {
  const { store, server, user } = app;
  const ada = user();
  const { id, file, key } = await finalized(ada);
  await store.delete([key]);
  await server.sweep();
  expect((await rowOf(id)).failed).toBe(true);
  await store.write(key, file.bytes, 'image/jpeg');
  await server.sweep();
  expect(await rowOf(id)).toMatchObject({ failed: false, blob_missing_at: null });
  expect((await ada.jobs()).map(({ name }) => name)).toEqual(['process', 'process']);
});

test('the lost bytes of one user are no other user’s business', async () => {
  const { store, server, user } = app;
  const [ada, grace] = [user(), user()];
  const { file, key } = await finalized(ada);
  await grace.finalize(await grace.upload({ ...file, clientId: randomUUID() }));
  await store.delete([key]);
  await server.sweep();
  expect((await ada.reserve([file]))[0]?.status).toBe('granted');
  expect((await grace.reserve([{ ...file, clientId: randomUUID() }]))[0]?.status).toBe('duplicate');
});
