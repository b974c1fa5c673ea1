import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { SignedPart } from 'bulkhead/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBucket } from './fixtures/s3-bucket.ts';
import {
  grantedOf,
  jpeg,
  putTo,
  sha256,
  startTestServer,
  type TestFile,
  type TestServer,
  type TestUser,
} from './fixtures/test-server.ts';

/** The least that S3 takes. */
const PART = 5 * 1024 * 1024;
/** Three parts, the last one short. */
const SIZE = 2 * PART + 1234;
const DAY_MS = 24 * 3_600_000;

let app: TestServer;
let bucket: Awaited<ReturnType<typeof createBucket>>;
beforeAll(async () => {
  // Pages of two: what the store has is listed by more than one call.
  bucket = await createBucket({
    multipart: { fromBytes: PART, minPartBytes: PART, partsPerPage: 2 },
  });
  app = await startTestServer({ blobStore: bucket.store });
});
afterAll(async () => {
  await app?.close();
  await bucket?.close();
});

const bytesOf = (file: TestFile, partNumber: number) =>
  file.bytes.slice((partNumber - 1) * PART, partNumber * PART);
const begin = (user: TestUser, assetId: string, partSize = PART) =>
  user.call('POST', '/api/multipart/begin', { assetId, partSize });
const sign = async (user: TestUser, assetId: string, file: TestFile, numbers: number[]) => {
  const parts = numbers.map((partNumber) => ({
    partNumber,
    checksum: sha256(bytesOf(file, partNumber)),
  }));
  const { status, body } = await user.call('POST', '/api/multipart/parts', { assetId, parts });
  expect(status).toBe(200);
  return body.parts as SignedPart[];
};
const send = async (user: TestUser, assetId: string, file: TestFile, numbers: number[]) => {
  const signed = await sign(user, assetId, file, numbers);
  for (const part of signed) {
    const { status } = await putTo(part, bytesOf(file, part.partNumber));
    expect(status).toBe(200);
  }
};
const reserve = async (user: TestUser, file = jpeg('large.jpg', SIZE)) => {
  const { assetId, multipart } = grantedOf((await user.reserve([file]))[0]);
  return { file, assetId, multipart };
};
const unfinished = async () => {
  const command = new ListMultipartUploadsCommand({ Bucket: bucket.bucket });
  return ((await bucket.client.send(command)).Uploads ?? []).map(({ Key = '' }) => Key);
};
const keyOf = async (assetId: string) => {
  const query = app.database.db.selectFrom('uploads').select('key').where('id', '=', assetId);
  return (await query.executeTakeFirstOrThrow()).key;
};

describe('a file in parts', () => {
  test('is offered from a size on, goes out of order, resumes, and becomes one asset', async () => {
    const user = app.user();
    const { file, assetId, multipart } = await reserve(user);
    expect(multipart).toEqual({
      minPartBytes: PART,
      maxPartBytes: 5 * 1024 ** 3,
      maxParts: 10_000,
    });
    expect((await reserve(user, jpeg('small.jpg'))).multipart).toBeUndefined();
    expect((await begin(user, assetId)).body).toEqual({ partSize: PART, parts: [] });
    await send(user, assetId, file, [3, 1]);
    expect((await user.finalize(assetId)).body.code).toBe('not_uploaded');
    // A new page asks again, with another size in mind: what the store has holds.
    expect((await begin(user, assetId, PART + 1)).body).toEqual({
      partSize: PART,
      parts: [
        { partNumber: 1, size: PART },
        { partNumber: 3, size: 1234 },
      ],
    });
    await send(user, assetId, file, [2]);
    expect((await begin(user, assetId)).body.parts).toHaveLength(3);
    const answers = await Promise.all([1, 2, 3, 4].map(() => user.finalize(assetId)));
    for (const { status, body } of answers) {
      expect([status, body.asset?.id, body.asset?.isDuplicate]).toEqual([200, assetId, false]);
    }
    expect(await user.jobs()).toHaveLength(1);
    const read = await fetch(answers[0]?.body.asset.blobUrl);
    expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(sha256(file.bytes));
    expect((await begin(user, assetId)).body.code).toBe('already_exists');
    expect(await unfinished()).not.toContain(await keyOf(assetId));
  });

  test('that was completed by a request whose answer was lost is found and finalized', async () => {
    const user = app.user();
    const { file, assetId } = await reserve(user);
    await begin(user, assetId);
    await send(user, assetId, file, [1, 2, 3]);
    const { rows } = await sql<{ key: string; multipart_id: string }>`
      select key, multipart_id from uploads where id = ${assetId}`.execute(app.database.db);
    const [row] = rows;
    if (!row) throw new Error('No row');
    await bucket.store.multipart?.complete(row.key, row.multipart_id);
    await bucket.store.multipart?.complete(row.key, row.multipart_id);
    expect((await begin(user, assetId)).body.parts).toHaveLength(3);
    expect((await user.finalize(assetId)).status).toBe(200);
  });

  test('begun twenty times at once is open once', async () => {
    const user = app.user();
    const { assetId } = await reserve(user);
    const answers = await Promise.all(Array.from({ length: 20 }, () => begin(user, assetId)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const key = await keyOf(assetId);
    expect((await unfinished()).filter((each) => each === key)).toHaveLength(1);
  });

  test('T14: a part of other bytes, or of another length, is refused by the store', async () => {
    const user = app.user();
    const { file, assetId } = await reserve(user);
    await begin(user, assetId);
    const [part] = await sign(user, assetId, file, [1]);
    if (!part) throw new Error('Not signed');
    const other = bytesOf(file, 1);
    other[9] = (other[9] ?? 0) ^ 1;
    for (const bytes of [other, bytesOf(file, 1).slice(1), new Uint8Array(PART + 1)]) {
      expect((await putTo(part, bytes)).status).toBeGreaterThanOrEqual(400);
    }
    const { 'x-amz-checksum-sha256': _, ...headers } = part.headers;
    expect((await putTo({ ...part, headers }, other)).status).toBeGreaterThanOrEqual(400);
    expect((await begin(user, assetId)).body.parts).toEqual([]);
  });

  test('T8: parts that are right by themselves and wrong together become no asset', async () => {
    const user = app.user();
    const { file, assetId } = await reserve(user);
    const other = jpeg('other.jpg', SIZE);
    await begin(user, assetId);
    await send(user, assetId, file, [1, 2]);
    await send(user, assetId, other, [3]);
    expect((await user.finalize(assetId)).body.code).toBe('checksum_mismatch');
    expect(await bucket.list()).not.toContain(await keyOf(assetId));
  });

  test('that is aborted is forgotten, and can be begun anew', async () => {
    const user = app.user();
    const { file, assetId } = await reserve(user);
    const abort = () => user.call('POST', '/api/multipart/abort', { assetId });
    expect((await abort()).body).toEqual({ aborted: false });
    await begin(user, assetId);
    await send(user, assetId, file, [1]);
    expect((await abort()).body).toEqual({ aborted: true });
    expect((await abort()).body).toEqual({ aborted: false });
    expect(await unfinished()).not.toContain(await keyOf(assetId));
    expect((await begin(user, assetId, PART + 1)).body).toEqual({ partSize: PART + 1, parts: [] });
  });

  test('T9: of another user does not exist; sizes and numbers out of bounds are refused', async () => {
    const [ada, eve] = [app.user(), app.user()];
    const { assetId } = await reserve(ada);
    await begin(ada, assetId);
    const parts = [{ partNumber: 1, checksum: 'a'.repeat(64) }];
    for (const [path, body] of [
      ['begin', { assetId, partSize: PART }],
      ['parts', { assetId, parts }],
      ['abort', { assetId }],
    ] as const) {
      const { status } = await eve.call('POST', `/api/multipart/${path}`, body);
      expect([path, status]).toEqual([path, 404]);
    }
    const beyond = { assetId, parts: [{ partNumber: 4, checksum: 'a'.repeat(64) }] };
    expect((await ada.call('POST', '/api/multipart/parts', beyond)).status).toBe(400);
    expect((await begin(ada, assetId, PART - 1)).status).toBe(400);
    const small = await reserve(ada, jpeg('small.jpg'));
    expect((await begin(ada, small.assetId)).status).toBe(400);
  });

  test('is kept from the sweep while parts are asked for, and aborted when nobody does', async () => {
    const user = app.user();
    const { file, assetId } = await reserve(user);
    await begin(user, assetId);
    const key = await keyOf(assetId);
    // Asked for every four minutes, it lives on: an hour is enough to see it.
    for (let minutes = 0; minutes < 60; minutes += 4) {
      app.advance(4 * 60_000);
      await sign(user, assetId, file, [1]);
    }
    // As long as its day of grace lasts, though it began longer ago.
    app.advance(DAY_MS - 10 * 60_000);
    await app.server.sweep();
    expect(await unfinished()).toContain(key);
    // After that its reservation has to be renewed first.
    expect((await begin(user, assetId)).body.code).toBe('url_expired');
    app.advance(2 * DAY_MS);
    await app.server.sweep();
    expect(await unfinished()).not.toContain(key);
    expect((await begin(user, assetId)).status).toBe(404);
  });
});
