import { buffer } from 'node:stream/consumers';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import type { SignedPart } from 'bulkhead/protocol';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { BlobMultipart, BlobStore } from '../src/blobs/blob-store.ts';
import { createS3Multipart } from '../src/blobs/s3-multipart.ts';
import { describeBlobMultipart } from './fixtures/describe-blob-multipart.ts';
import { largeFile, MIB, PART_BYTES, partOf, partsOf, putPart } from './fixtures/large-files.ts';
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

const LIMITS = { fromBytes: 2 * PART_BYTES, minPartBytes: PART_BYTES };
const DAY_MS = 24 * 3_600_000;

describeBlobMultipart('S3', async () => {
  const bucket = await createBucket({ multipart: LIMITS });
  const { client, settings } = bucket;
  const multipart = createS3Multipart({
    ...{ client, signing: client, bucket: bucket.bucket, ...LIMITS },
    createOnly: settings.createOnly ?? true,
    clock: settings.clock ?? Date.now,
    pageParts: 1,
  });
  return { ...bucket, multipart };
});

describe('large files in parts', () => {
  let bucket: Awaited<ReturnType<typeof createBucket>>;
  let app: TestServer;
  beforeAll(async () => {
    bucket = await createBucket({ multipart: LIMITS });
    app = await startTestServer({ blobStore: bucket.store });
  });
  afterAll(async () => {
    await app?.close();
    await bucket?.close();
  });

  const reserve = async (user: TestUser, file: TestFile) =>
    grantedOf((await user.reserve([file]))[0]);
  const unfinished = async () => {
    const { Uploads = [] } = await bucket.client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket.bucket }),
    );
    return Uploads.map(({ Key = '', UploadId = '' }) => ({ key: Key, uploadId: UploadId }));
  };
  const unfinishedOf = async (key: string) =>
    (await unfinished()).filter((upload) => upload.key === key);
  const multipartOf = (store: BlobStore): BlobMultipart => {
    if (!store.multipart) throw new Error('The store takes no parts');
    return store.multipart;
  };
  const reconcile = async (user: TestUser, file: TestFile) => {
    const files = [{ clientId: file.clientId, checksum: sha256(file.bytes) }];
    const answer = await user.call('POST', '/api/uploads/reconcile', { files });
    return answer.body.results[0].status as string;
  };
  const codeOf = ({ status, body }: { status: number; body: { code?: string } }) => [
    status,
    body.code,
  ];

  test('a file whose parts came out of order becomes an asset with its bytes', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId, multipart } = await reserve(ada, file);
    expect(multipart).toEqual({
      minPartBytes: PART_BYTES,
      maxPartBytes: 5 * 1024 * MIB,
      maxParts: 10_000,
    });
    expect((await partsOf(ada).begin(assetId)).body).toEqual({ partSize: PART_BYTES, parts: [] });
    await partsOf(ada).send(assetId, file, [3, 1, 2]);
    const answer = await ada.finalize(assetId);
    expect(answer.body).toMatchObject({ success: true, asset: { id: assetId } });
    const read = await fetch(answer.body.asset.blobUrl);
    expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(sha256(file.bytes));
    expect(await ada.jobs()).toHaveLength(1);
  });

  test('goes on where it stopped, with parts of the size it began with', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [2]);
    // A page that was reloaded: the same file is the same reservation.
    expect((await reserve(ada, file)).assetId).toBe(assetId);
    expect((await partsOf(ada).begin(assetId, 8 * MIB)).body).toEqual({
      partSize: PART_BYTES,
      parts: [{ partNumber: 2, size: PART_BYTES }],
    });
    await partsOf(ada).send(assetId, file, [1, 3]);
    expect(await partsOf(ada).stored(assetId)).toEqual([1, 2, 3]);
    expect((await ada.finalize(assetId)).status).toBe(200);
  });

  test('tabs that begin at once share one upload, and leave no other behind', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId, pathname } = await reserve(ada, file);
    const answers = await Promise.all(
      [5, 6, 7, 8].map((mib) => partsOf(ada).begin(assetId, mib * MIB)),
    );
    expect(new Set(answers.map(({ body }) => body.partSize)).size).toBe(1);
    expect(await unfinishedOf(pathname)).toHaveLength(1);
    await partsOf(ada).abort(assetId);
  });

  test('what is incomplete is not uploaded, to finalize and to reconcile, and stays', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    expect(codeOf(await ada.finalize(assetId))).toEqual([409, 'not_uploaded']);
    await partsOf(ada).begin(assetId);
    for (const numbers of [[1], [3]]) {
      await partsOf(ada).send(assetId, file, numbers);
      expect(codeOf(await ada.finalize(assetId))).toEqual([409, 'not_uploaded']);
      expect(await reconcile(ada, file)).toBe('unknown');
    }
    expect(await partsOf(ada).stored(assetId)).toEqual([1, 3]);
    await partsOf(ada).send(assetId, file, [2]);
    expect((await ada.finalize(assetId)).status).toBe(200);
    expect(await reconcile(ada, file)).toBe('finalized');
  });

  test('T14: a part of other bytes than its permit says is refused, and not there', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    const right = sha256(partOf(file, 1));
    const signed = await partsOf(ada).sign(assetId, [{ partNumber: 1, checksum: right }]);
    const [permit] = signed.body.parts as SignedPart[];
    if (!permit) throw new Error('No permit');
    expect(permit.expiresInMs).toBe(300_000);
    expect(await putPart(permit, partOf(file, 2))).toBe(400);
    // The last part is short: nobody may make it longer.
    const long = partOf(file, 1);
    const last = await partsOf(ada).sign(assetId, [{ partNumber: 3, checksum: sha256(long) }]);
    expect(await putPart(last.body.parts[0], long)).toBe(403);
    expect(await partsOf(ada).stored(assetId)).toEqual([]);
    await partsOf(ada).abort(assetId);
  });

  test('T8: parts that are each right do not make a file that was not promised', async () => {
    const ada = app.user();
    const promised = largeFile('promised.jpg');
    const sent = largeFile('sent.jpg');
    const { assetId, pathname } = await reserve(ada, promised);
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, sent, [1, 2, 3]);
    expect(codeOf(await ada.finalize(assetId))).toEqual([400, 'checksum_mismatch']);
    expect(await bucket.list()).not.toContain(pathname);
    expect(codeOf(await partsOf(ada).begin(assetId))).toEqual([400, 'checksum_mismatch']);
  });

  test('of many finalizes at once, one makes the asset, and all say so', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [1, 2, 3]);
    const answers = await Promise.all([1, 2, 3, 4].map(() => ada.finalize(assetId)));
    const ids = answers.map(({ body }) => body.asset?.id);
    expect(ids).toEqual([assetId, assetId, assetId, assetId]);
    expect((await ada.finalize(assetId)).body.asset.id).toBe(assetId);
    expect(await ada.jobs()).toHaveLength(1);
    // Nothing is left to send of what is finalized.
    expect(await partsOf(ada).stored(assetId)).toEqual([1, 2, 3]);
    const again = [{ partNumber: 1, checksum: sha256(partOf(file, 1)) }];
    expect(codeOf(await partsOf(ada).sign(assetId, again))).toEqual([412, 'already_exists']);
  });

  test('T10: a part that is sent after finalize never turns the file into another one', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId, pathname } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    const other = partOf(largeFile('other.jpg'), 2);
    const signed = await partsOf(ada).sign(assetId, [{ partNumber: 2, checksum: sha256(other) }]);
    await partsOf(ada).send(assetId, file, [1, 2, 3]);
    expect((await ada.finalize(assetId)).status).toBe(200);
    const status = await putPart(signed.body.parts[0], other);
    const read = await bucket.store
      .read(pathname)
      .then(buffer)
      .catch((error: Error) => error);
    if (status === 200) {
      // Swift takes it, and then refuses to read what is no longer the object that was made.
      expect(inject('s3').isSwift).toBe(true);
      expect(read).toBeInstanceOf(Error);
    } else {
      expect(read).toEqual(Buffer.from(file.bytes));
    }
  });

  test('a server that died after it completed the upload goes on with its object', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId, pathname } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [1, 2, 3]);
    const [open] = await unfinishedOf(pathname);
    const store = multipartOf(bucket.store);
    const stored = (await store.list(pathname, open?.uploadId ?? '')) ?? [];
    expect(await store.complete(pathname, open?.uploadId ?? '', stored)).toBe(true);
    expect(await reconcile(ada, file)).toBe('uploaded');
    expect(await partsOf(ada).stored(assetId)).toEqual([1, 2, 3]);
    expect((await ada.finalize(assetId)).body.asset.id).toBe(assetId);
  });

  test('an answer that got lost when it was completed is asked for again', async () => {
    let lost = 0;
    const inner = multipartOf(bucket.store);
    const multipart: BlobMultipart = {
      ...inner,
      async complete(...args) {
        await inner.complete(...args);
        lost += 1;
        throw new Error('The connection broke');
      },
    };
    const other = await startTestServer({ blobStore: { ...bucket.store, multipart } });
    const ada = other.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [1, 2, 3]);
    expect((await ada.finalize(assetId)).status).toBe(500);
    expect((await ada.finalize(assetId)).body.asset.id).toBe(assetId);
    expect(lost).toBe(1);
    await other.close();
  });

  test('an upload that is aborted is forgotten, and can be begun anew', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId, pathname } = await reserve(ada, file);
    expect((await partsOf(ada).abort(assetId)).body).toEqual({ aborted: false });
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [1]);
    expect((await partsOf(ada).abort(assetId)).body).toEqual({ aborted: true });
    expect((await partsOf(ada).abort(assetId)).body).toEqual({ aborted: false });
    expect(await unfinishedOf(pathname)).toEqual([]);
    const wanted = [{ partNumber: 1, checksum: sha256(partOf(file, 1)) }];
    expect(codeOf(await partsOf(ada).sign(assetId, wanted))).toEqual([404, 'not_found']);
    expect(codeOf(await ada.finalize(assetId))).toEqual([409, 'not_uploaded']);
    expect((await partsOf(ada).begin(assetId, 6 * MIB)).body).toEqual({
      partSize: 6 * MIB,
      parts: [],
    });
    await partsOf(ada).abort(assetId);
  });

  test('an upload that the store gave up by itself is begun anew', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const { assetId, pathname } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [1]);
    for (const { key, uploadId } of await unfinishedOf(pathname)) {
      await multipartOf(bucket.store).abort(key, uploadId);
    }
    expect(await partsOf(ada).stored(assetId)).toEqual([]);
    await partsOf(ada).send(assetId, file, [1, 2, 3]);
    expect((await ada.finalize(assetId)).status).toBe(200);
  });

  test('a file that came whole while its parts were open is taken, and they are forgotten', async () => {
    const ada = app.user();
    const file = largeFile('a.jpg');
    const credential = await reserve(ada, file);
    const { assetId, pathname } = credential;
    await partsOf(ada).begin(assetId);
    await partsOf(ada).send(assetId, file, [1]);
    expect((await putTo(credential, file.bytes)).status).toBe(200);
    expect((await ada.finalize(assetId)).body.asset.id).toBe(assetId);
    expect(await unfinishedOf(pathname)).toEqual([]);
  });

  test('T9: what belongs to another user does not exist, to no call for parts', async () => {
    const [ada, eve] = [app.user(), app.user()];
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    const wanted = [{ partNumber: 1, checksum: sha256(partOf(file, 1)) }];
    const calls = partsOf(eve);
    for (const answer of [
      await calls.begin(assetId),
      await calls.sign(assetId, wanted),
      await calls.abort(assetId),
    ]) {
      expect(codeOf(answer)).toEqual([404, 'not_found']);
    }
    expect((await partsOf(ada).abort(assetId)).body).toEqual({ aborted: true });
  });

  test('small files, and parts that the store does not take, are refused', async () => {
    const ada = app.user();
    const small = await reserve(ada, jpeg('small.jpg'));
    expect(small.multipart).toBeUndefined();
    expect(codeOf(await partsOf(ada).begin(small.assetId))).toEqual([400, 'invalid_request']);
    const { assetId } = await reserve(ada, largeFile('a.jpg'));
    for (const partSize of [PART_BYTES - 1, 5 * 1024 * MIB + 1]) {
      expect(codeOf(await partsOf(ada).begin(assetId, partSize))).toEqual([400, 'invalid_request']);
    }
    await partsOf(ada).begin(assetId);
    const wanted = [{ partNumber: 4, checksum: sha256(new Uint8Array(1)) }];
    expect(codeOf(await partsOf(ada).sign(assetId, wanted))).toEqual([400, 'invalid_request']);
    await partsOf(ada).abort(assetId);
  });

  test('where parts are turned off, no credential offers them', async () => {
    const whole = await createBucket({ multipart: false });
    const other = await startTestServer({ blobStore: whole.store });
    const ada = other.user();
    const { assetId, multipart } = await reserve(ada, largeFile('a.jpg'));
    expect(multipart).toBeUndefined();
    expect(codeOf(await partsOf(ada).begin(assetId))).toEqual([400, 'invalid_request']);
    await other.close();
    await whole.close();
  });

  test('calls for parts take no token', async () => {
    const limits = { rateLimitCapacity: 1, rateLimitPerMinute: 0.001 };
    const other = await startTestServer({ blobStore: bucket.store, limits });
    const ada = other.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    for (let i = 0; i < 3; i++) {
      expect((await partsOf(ada).begin(assetId)).status).toBe(200);
      await partsOf(ada).send(assetId, file, [1]);
      expect((await partsOf(ada).abort(assetId)).status).toBe(200);
    }
    await other.close();
  });

  test('the sweep leaves an upload alone while its parts arrive, and aborts it afterwards', async () => {
    const own = await createBucket({ multipart: LIMITS });
    const other = await startTestServer({ blobStore: own.store });
    const ada = other.user();
    const file = largeFile('a.jpg');
    const { assetId } = await reserve(ada, file);
    await partsOf(ada).begin(assetId);
    // Four days of it: each part is asked for within a day of the one before.
    for (const partNumber of [1, 2]) {
      for (let hours = 0; hours < 2; hours++) {
        other.advance(23 * 3_600_000);
        await partsOf(ada).send(assetId, file, [partNumber]);
        await other.server.sweep();
      }
    }
    expect(await partsOf(ada).stored(assetId)).toEqual([1, 2]);
    other.advance(3 * DAY_MS);
    await other.server.sweep();
    const { Uploads = [] } = await own.client.send(
      new ListMultipartUploadsCommand({ Bucket: own.bucket }),
    );
    expect(Uploads).toEqual([]);
    expect(codeOf(await partsOf(ada).begin(assetId))).toEqual([404, 'not_found']);
    await other.close();
    await own.close();
  });

  test('a reservation whose time was over is charged anew when parts are asked for', async () => {
    const limits = { maxFilesPerDay: 1 };
    const other = await startTestServer({ blobStore: bucket.store, limits });
    const ada = other.user();
    const { assetId } = await reserve(ada, largeFile('a.jpg'));
    await partsOf(ada).begin(assetId);
    other.advance(400_000);
    await ada.finalize(await ada.upload(jpeg('small.jpg')));
    expect(codeOf(await partsOf(ada).begin(assetId))).toEqual([429, 'quota_exceeded']);
    other.advance(2 * DAY_MS);
    expect((await partsOf(ada).begin(assetId)).status).toBe(200);
    await partsOf(ada).abort(assetId);
    await other.close();
  });
});
