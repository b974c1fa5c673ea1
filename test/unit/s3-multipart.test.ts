import { describe, expect, it } from 'vitest';
import { UploadError } from '../../src/errors/upload-error.ts';
import { systemRuntime } from '../../src/runtime/runtime.ts';
import { MultipartUploads } from '../../src/transports/s3-multipart.ts';
import { S3Requests } from '../../src/transports/s3-requests.ts';
import { KeyRing } from '../../src/transports/temporary-credentials.ts';

const MIB = 1024 * 1024;
const PART_BYTES = 8 * MIB;
const body = new Blob([new Uint8Array(2 * PART_BYTES)]);

/** A store to which no part comes through at first, and which then has all of them. */
function world(complete: () => Promise<void>, abort: () => Promise<void> = async () => {}) {
  const calls: string[] = [];
  const reported: unknown[] = [];
  let created = 0;
  const uploads = new MultipartUploads({
    tokens: { storage: undefined, prefix: '' },
    concurrency: 2,
    limits: { minPartBytes: PART_BYTES, maxPartBytes: PART_BYTES, maxParts: 10 },
    hasChecksums: false,
    runtime: { ...systemRuntime(), reportError: (error) => reported.push(error) },
    calls: {
      async create() {
        created += 1;
        calls.push(`create ${created}`);
        return { uploadId: String(created) };
      },
      async sign() {
        throw new UploadError('cancelled', 'The page went away.');
      },
      async list({ uploadId }) {
        calls.push(`list ${uploadId}`);
        const parts = [1, 2].map((partNumber) => ({
          partNumber,
          sizeBytes: PART_BYTES,
          etag: 'e',
        }));
        return { parts };
      },
      async complete({ uploadId }) {
        calls.push(`complete ${uploadId}`);
        await complete();
      },
      async abort({ uploadId }) {
        calls.push(`abort ${uploadId}`);
        await abort();
      },
    },
  });
  const put = (checksum: string) => {
    const upload = { id: 'file', name: 'a', path: 'a', sizeBytes: body.size, mimeType: '' };
    return uploads
      .put({
        upload: { ...upload, checksum: checksum.repeat(64) },
        credential: {
          ...{ uploadUrl: 'https://store.test/', assetId: 'a', pathname: 'key', method: 'PUT' },
          ...{ headers: {}, expiresAt: '', expiresInMs: 60_000 },
        },
        body,
        signal: new AbortController().signal,
        onProgress() {},
      })
      .catch((error: UploadError) => error.code);
  };
  return { calls, put, reported };
}

describe('an upload in parts', () => {
  it('that is refused for good when it is completed leaves nothing in the store, and begins anew', async () => {
    const { calls, put } = world(() => {
      throw new UploadError('store_refused', 'InvalidPart', { status: 400 });
    });
    expect(await put('a')).toBe('cancelled');
    expect(await put('a')).toBe('store_refused');
    expect(calls.splice(0)).toEqual(['create 1', 'list 1', 'complete 1', 'abort 1']);
    await put('a');
    expect(calls).toEqual(['create 2']);
  });

  it('of a file that changed since is given up before another one is opened', async () => {
    const { calls, put } = world(async () => {});
    await put('a');
    await put('b');
    expect(calls).toEqual(['create 1', 'abort 1', 'create 2']);
  });

  it('that cannot be given up is reported, and keeps the file from nothing', async () => {
    const failure = new UploadError('network_failed', 'The store is away.');
    const { calls, put, reported } = world(
      async () => {},
      () => Promise.reject(failure),
    );
    await put('a');
    await put('b');
    expect(calls).toEqual(['create 1', 'abort 1', 'create 2']);
    expect(reported).toEqual([failure]);
  });
});

describe('temporary keys', () => {
  const requestsWith = (asked: string[]) =>
    new S3Requests({
      bucketUrl: 'https://store.test/bucket',
      region: 'eu-central-1',
      keepsChecksums: true,
      runtime: systemRuntime(),
      keys: new KeyRing(async () => {
        const accessKeyId = `KEY${asked.push('asked')}`;
        const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
        return { accessKeyId, secretAccessKey: 'secret', expiresAt };
      }, systemRuntime()),
    });

  it.each([
    ['expired, which S3 answers with 400', new UploadError('url_expired', '', { status: 400 })],
    ['are wrong', new UploadError('store_misconfigured', '', { status: 403 })],
    ['are refused without a word', new UploadError('store_refused', '', { status: 400 })],
  ])('that %s are asked for anew, once', async (_, refusal) => {
    const asked: string[] = [];
    const used: string[] = [];
    const work = requestsWith(asked).withKeys(async ({ keys }) => {
      used.push(keys.accessKeyId);
      throw refusal;
    });
    await expect(work).rejects.toBe(refusal);
    expect(used).toEqual(['KEY1', 'KEY2']);
  });

  it('are kept when the bytes are refused', async () => {
    const asked: string[] = [];
    const refusal = new UploadError('checksum_mismatch', '', { status: 400 });
    const work = requestsWith(asked).withKeys(() => Promise.reject(refusal));
    await expect(work).rejects.toBe(refusal);
    expect(asked).toHaveLength(1);
  });
});
