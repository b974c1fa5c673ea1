import { randomUUID } from 'node:crypto';
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { BlobStoreUnusableError } from '../src/blobs/blob-store.ts';
import { originalKey } from '../src/blobs/keys.ts';
import type { S3StoreOptions } from '../src/blobs/s3-options.ts';
import { createS3Store } from '../src/blobs/s3-store.ts';
import { OptionsError } from '../src/config.ts';
import { describeBlobStore } from './fixtures/describe-blob-store.ts';
import { createBucket, s3Capabilities } from './fixtures/s3-bucket.ts';
import { sha256 } from './fixtures/test-server.ts';

describeBlobStore('S3', s3Capabilities(), () => createBucket());

describeBlobStore(
  'S3, by forms',
  { ...s3Capabilities(), createOnly: false },
  () => createBucket({ formsUpToBytes: 1024 * 1024, createOnly: false }),
  { hasOwnPages: false },
);

describe('S3', () => {
  let subject: Awaited<ReturnType<typeof createBucket>>;
  beforeAll(async () => {
    subject = await createBucket();
  });
  afterAll(() => subject?.close());

  const newKey = () => originalKey('ada', randomUUID(), Date.now());
  const bytes = new TextEncoder().encode('some bytes') as Uint8Array<ArrayBuffer>;
  const grantOf = (key: string) => ({
    key,
    sizeBytes: bytes.length,
    checksum: sha256(bytes),
    contentType: 'image/jpeg',
    expiresInSeconds: 300,
  });
  const storeWith = (options: Partial<S3StoreOptions>) =>
    createS3Store({ ...subject.settings, ...options });

  test('signs checksum, length and type as headers, and puts none of them into the URL', async () => {
    const { url, headers } = await storeWith({ createOnly: true }).signPut(grantOf(newKey()));
    const query = new URL(url).searchParams;
    expect(query.get('X-Amz-SignedHeaders')?.split(';')).toEqual([
      'content-length',
      'content-type',
      'host',
      'if-none-match',
      'x-amz-checksum-sha256',
      'x-amz-meta-sha256',
    ]);
    expect([...query.keys()].filter((name) => /checksum|crc32|meta/i.test(name))).toEqual([]);
    expect(headers).toEqual({
      'Content-Type': 'image/jpeg',
      'If-None-Match': '*',
      'x-amz-checksum-sha256': Buffer.from(sha256(bytes), 'hex').toString('base64'),
      'x-amz-meta-sha256': sha256(bytes),
    });
  });

  test('small files get a form that names all that was promised, large ones a PUT', async () => {
    const store = storeWith({ formsUpToBytes: 100 });
    const key = newKey();
    const form = await store.signPut(grantOf(key));
    if (form.method !== 'POST') throw new Error(`${form.method} is no form`);
    expect(new URL(form.url).pathname).toBe(`/${subject.bucket}`);
    expect(form.headers).toEqual({});
    expect(form.fields).toMatchObject({
      key,
      'Content-Type': 'image/jpeg',
      'x-amz-checksum-sha256': Buffer.from(sha256(bytes), 'hex').toString('base64'),
    });
    const policy = JSON.parse(Buffer.from(form.fields.Policy ?? '', 'base64').toString());
    expect(policy.conditions).toContainEqual(['content-length-range', bytes.length, bytes.length]);
    for (const name of Object.keys(form.fields)) {
      if (name === 'Policy' || name === 'X-Amz-Signature') continue;
      expect(policy.conditions).toContainEqual({ [name]: form.fields[name] });
    }
    expect((await store.signPut({ ...grantOf(key), sizeBytes: 101 })).method).toBe('PUT');
    // A form of no bytes and one without a file are hard to tell apart.
    expect((await store.signPut({ ...grantOf(key), sizeBytes: 0 })).method).toBe('PUT');
    await expect(store.ping()).resolves.toBeUndefined();
  });

  test('a permit without its checksum, or with another one, is refused', async () => {
    const key = newKey();
    const { url, headers } = await subject.store.signPut(grantOf(key));
    const other = Buffer.from(sha256(new Uint8Array(3)), 'hex').toString('base64');
    const { 'x-amz-checksum-sha256': _, ...without } = headers;
    for (const changed of [without, { ...headers, 'x-amz-checksum-sha256': other }]) {
      const response = await fetch(url, { method: 'PUT', headers: changed, body: bytes });
      expect(response.status).toBe(403);
    }
    expect(await subject.store.head(key)).toBeUndefined();
  });

  test('vouches for no checksum in metadata unless told that the server verifies', async () => {
    const key = newKey();
    const { url, headers } = await subject.store.signPut(grantOf(key));
    await fetch(url, { method: 'PUT', headers, body: bytes });
    const cautious = storeWith({ verifiesChecksums: false });
    const known = inject('s3').isSwift ? {} : { checksum: sha256(bytes) };
    expect(await cautious.head(key)).toEqual({ sizeBytes: bytes.length, ...known });
    expect(await subject.store.head(key)).toMatchObject({ checksum: sha256(bytes) });
  });

  test('URLs name the public endpoint, calls go to the other', async () => {
    const store = storeWith({ publicEndpoint: 'https://files.example:8443' });
    const key = newKey();
    const put = new URL((await store.signPut(grantOf(key))).url);
    const get = new URL(
      await store.signGet({ key, expiresInSeconds: 60, contentType: 'image/jpeg' }),
    );
    expect([put.host, get.host]).toEqual(['files.example:8443', 'files.example:8443']);
    expect(put.pathname).toBe(`/${subject.bucket}/${key}`);
    await store.write(key, bytes, 'image/jpeg');
    expect(await store.head(key)).toMatchObject({ sizeBytes: bytes.length });
  });

  test('can name the bucket in the host instead of the path', async () => {
    const store = storeWith({ endpoint: 'https://s3.example', pathStyle: false });
    const { url } = await store.signPut(grantOf(newKey()));
    expect(new URL(url).host).toBe(`${subject.bucket}.s3.example`);
  });

  test('says what is wrong with its configuration', async () => {
    const { endpoint, accessKeyId, secretAccessKey } = inject('s3');
    const wrong: [Partial<S3StoreOptions>, RegExp][] = [
      [{ bucket: `no-${randomUUID()}` }, /bucket no-.* does not exist/],
      [{ credentials: { accessKeyId, secretAccessKey: 'wrong' } }, /secretAccessKey/],
      [
        { credentials: { accessKeyId: 'nobody', secretAccessKey } },
        /credentials\.(accessKeyId|secretAccessKey)/,
      ],
      [{ endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }, /does not answer.*ECONNREFUSED/],
      [{ clock: () => Date.now() + 3_600_000 }, /clock.*60 minutes ahead/],
      [{ clock: () => Date.now() - 3_600_000 }, /clock.*60 minutes behind/],
    ];
    for (const [options, message] of wrong) {
      const error = await storeWith(options)
        .ping()
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(BlobStoreUnusableError);
      expect(String(error)).toMatch(message);
      expect(String(error)).not.toContain(secretAccessKey);
      expect(String(error)).toContain(options.endpoint ?? endpoint);
    }
  });

  test('refuses options that do not fit, by name', () => {
    expect(() => createS3Store({ bucket: '', endpoint: 'localhost' })).toThrow(
      /bucket: .*endpoint: /,
    );
    const whole = { endpoint: 'http://localhost', bucket: 'b' };
    expect(createS3Store({ ...whole, multipart: false }).multipart).toBeUndefined();
    const small = { fromBytes: 6 * 1024 ** 2, minPartBytes: 1024 ** 2 };
    expect(() => createS3Store({ ...whole, multipart: small })).toThrow(/multipart/);
    const large = { fromBytes: 6 * 1024 ** 2 };
    expect(() => createS3Store({ ...whole, multipart: large })).toThrow(/multipart.*fromBytes/);
    const misspelt = { bucket: 'b', creatOnly: true } as unknown as S3StoreOptions;
    expect(() => createS3Store(misspelt)).toThrow(OptionsError);
  });

  test('a missing bucket is a failure, not a missing object', async () => {
    const store = storeWith({ bucket: `no-${randomUUID()}` });
    await expect(store.read(newKey())).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(store.list('u/')).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(store.delete([newKey()])).rejects.toThrow();
  });

  test('the start of an object without bytes is empty', async () => {
    const key = newKey();
    await subject.store.write(key, new Uint8Array(), 'image/jpeg');
    expect((await subject.store.readStart(key, 10)).length).toBe(0);
  });

  test('gives up multipart uploads that began before a time, and no more than asked', async () => {
    const { client, bucket, store } = subject;
    const begin = async () => {
      const key = { Bucket: bucket, Key: newKey() };
      const { UploadId } = await client.send(new CreateMultipartUploadCommand(key));
      await client.send(
        new UploadPartCommand({ ...key, UploadId, PartNumber: 1, Body: Buffer.alloc(1000) }),
      );
    };
    const unfinished = async () => {
      const { Uploads = [] } = await client.send(
        new ListMultipartUploadsCommand({ Bucket: bucket }),
      );
      return Uploads.length;
    };
    for (let i = 0; i < 3; i++) await begin();
    expect(await store.abortUnfinished(Date.now() - 60_000, 100)).toBe(0);
    expect(await unfinished()).toBe(3);
    const soon = Date.now() + 60_000;
    expect(await store.abortUnfinished(soon, 2)).toBe(2);
    expect(await unfinished()).toBe(1);
    expect(await store.abortUnfinished(soon, 100)).toBe(1);
    expect(await store.abortUnfinished(soon, 100)).toBe(0);
  });
});
