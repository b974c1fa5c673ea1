import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SWEEP_GRACE_MS } from '../src/uploads/sweep.ts';
import {
  filesIn,
  grantedOf,
  jpeg,
  putTo,
  startTestServer,
  type TestServer,
} from './fixtures/test-server.ts';

let app: TestServer;
beforeAll(async () => {
  app = await startTestServer();
});
afterAll(() => app?.close());

const EXPIRED_MS = 301_000 + SWEEP_GRACE_MS;

test('gives up what was uploaded but never finalized, a day after its URL expired', async () => {
  const { server, advance, storeDir, user } = app;
  const ada = user();
  const id = await ada.upload(jpeg('a.jpg'));
  advance(EXPIRED_MS - 60_000);
  expect(await server.sweep()).toBe(0);
  expect(await filesIn(storeDir)).toHaveLength(2);
  advance(60_000);
  expect(await server.sweep()).toBe(1);
  expect(await filesIn(storeDir)).toEqual([]);
  expect((await ada.finalize(id)).body.code).toBe('not_found');
});

test('never touches what was finalized', async () => {
  const { server, advance, storeDir, user } = app;
  const ada = user();
  const id = await ada.upload(jpeg('a.jpg'));
  await ada.finalize(id);
  advance(10 * EXPIRED_MS);
  expect(await server.sweep()).toBe(0);
  expect(await filesIn(storeDir)).toContain(id);
  expect((await ada.finalize(id)).body.asset.id).toBe(id);
});

test('of a finalize and a sweep at once, one wins and nothing is lost or left', async () => {
  const { server, advance, storeDir, user } = app;
  const ada = user();
  const ids = await Promise.all(Array.from({ length: 30 }, (_, i) => ada.upload(jpeg(`${i}.jpg`))));
  advance(EXPIRED_MS);
  const [swept, ...answers] = await Promise.all([
    server.sweep(),
    ...ids.map((id) => ada.finalize(id)),
  ]);
  const finalized = ids.filter((_, i) => answers[i]?.status === 200);
  expect(swept + finalized.length).toBe(30);
  await server.sweep();
  const names = (await filesIn(storeDir)).filter((name) => ids.includes(name));
  expect(names.sort()).toEqual(finalized.sort());
});

test('removes a duplicate’s object that was sent again after it was deleted', async () => {
  const { server, advance, storeDir, user } = app;
  const ada = user();
  const file = jpeg('a.jpg');
  const copy = { ...file, clientId: randomUUID() };
  const [original, credential] = [
    await ada.upload(file),
    grantedOf((await ada.reserve([copy]))[0]),
  ];
  await putTo(credential, file.bytes);
  await ada.finalize(original);
  expect((await ada.finalize(credential.assetId)).body.asset.isDuplicate).toBe(true);
  // The URL is still good: the key is free again.
  expect((await putTo(credential, file.bytes)).status).toBe(201);
  expect(await filesIn(storeDir)).toContain(credential.assetId);
  advance(EXPIRED_MS);
  await server.sweep();
  const names = await filesIn(storeDir);
  expect(names).toContain(original);
  expect(names).not.toContain(credential.assetId);
  expect((await ada.finalize(credential.assetId)).body.asset.id).toBe(original);
});
