import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  NoSuchKey,
  NoSuchUpload,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { findOrStartS3 } from '../../scripts/swift.mjs';
import type { FaultProxy } from './fault-proxy.ts';
import type { LabBackend } from './lab.ts';
import { startPostPolicyGateway } from './post-policy-gateway.ts';

type S3Service = Awaited<ReturnType<typeof findOrStartS3>>;

interface SignedFile {
  readonly key: string;
  readonly mimeType: string;
  readonly checksum: string;
  readonly sizeBytes: number;
}

interface Open {
  readonly key: string;
  readonly uploadId: string;
}

const EXPIRES_IN_SECONDS = 300;
/** Large enough that some of them show their progress, and so are asked about. */
const FORMS_BELOW_BYTES = 16 * 1024 * 1024;
/** Signed as a header, so that the store compares it. */
const SIGNED = new Set(['x-amz-checksum-sha256']);
/** Few, so that lists come in several pages. */
const PAGE_PARTS = 2;

/**
 * A bucket, and what an application's backend does for `s3PresignedAdapter`.
 *
 * @param hasForms small files are signed as forms; a gateway takes them in the store's place
 */
export async function startS3Backend(
  service: S3Service,
  startProxy: (url: string) => Promise<FaultProxy>,
  hasForms = false,
): Promise<LabBackend> {
  const { endpoint, region, accessKeyId, secretAccessKey, isSwift } = service;
  const bucket = `bulkhead-adapter-${randomUUID()}`;
  const clientFor = (url: string) =>
    new S3Client({
      ...{ endpoint: url, region, forcePathStyle: true },
      credentials: { accessKeyId, secretAccessKey },
      requestChecksumCalculation: 'WHEN_REQUIRED',
    });
  const client = clientFor(endpoint);
  const keys = { bucket, accessKeyId, secretAccessKey };
  const gateway = hasForms ? await startPostPolicyGateway(endpoint, client, keys) : undefined;
  const proxy = await startProxy(gateway?.url ?? endpoint);
  // Signatures hold the host: pages send through the proxy.
  const signer = clientFor(proxy.url);
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  let keysGiven = 0;

  const signForm = async ({ key, mimeType, checksum, sizeBytes }: SignedFile) => {
    const { url, fields } = await createPresignedPost(signer, {
      ...{ Bucket: bucket, Key: key, Expires: EXPIRES_IN_SECONDS },
      Fields: {
        'Content-Type': mimeType,
        'x-amz-checksum-algorithm': 'SHA256',
        'x-amz-checksum-sha256': toBase64(checksum),
      },
      Conditions: [['content-length-range', sizeBytes, sizeBytes]],
    });
    return { url, fields, expiresInMs: EXPIRES_IN_SECONDS * 1_000 };
  };

  const sign = async (file: SignedFile) => {
    if (hasForms && file.sizeBytes < FORMS_BELOW_BYTES) return signForm(file);
    const { key, mimeType, checksum } = file;
    const command = new PutObjectCommand({
      ...{ Bucket: bucket, Key: key, ContentType: mimeType },
      ChecksumSHA256: toBase64(checksum),
    });
    const options = { expiresIn: EXPIRES_IN_SECONDS, unhoistableHeaders: SIGNED };
    const url = await getSignedUrl(signer, command, options);
    const headers = { 'content-type': mimeType, 'x-amz-checksum-sha256': toBase64(checksum) };
    return { key, url, headers, expiresInMs: EXPIRES_IN_SECONDS * 1_000 };
  };

  const listKeys = async () => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
    return Contents.map(({ Key = '' }) => Key);
  };
  const listOpen = async () => {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket });
    const { Uploads = [] } = await client.send(command);
    return Uploads.map(({ Key = '', UploadId = '' }) => ({ key: Key, uploadId: UploadId }));
  };
  const abort = async ({ key, uploadId }: Open) => {
    const upload = { Bucket: bucket, Key: key, UploadId: uploadId };
    await client.send(new AbortMultipartUploadCommand(upload));
  };

  return {
    proxy,
    facts: { bucket, region, isSwift: String(isSwift) },
    calls: {
      sign: (files: readonly SignedFile[]) => Promise.all(files.map(sign)),

      async create({ key, mimeType }: SignedFile) {
        const command = new CreateMultipartUploadCommand({
          ...{ Bucket: bucket, Key: key, ContentType: mimeType, ChecksumAlgorithm: 'SHA256' },
        });
        const { UploadId } = await client.send(command);
        return { uploadId: UploadId };
      },

      signParts({
        open,
        parts,
      }: {
        open: Open;
        parts: { partNumber: number; checksum: string }[];
      }) {
        return Promise.all(
          parts.map(async ({ partNumber, checksum }) => {
            const command = new UploadPartCommand({
              ...{ Bucket: bucket, Key: open.key, UploadId: open.uploadId, PartNumber: partNumber },
              ChecksumSHA256: toBase64(checksum),
            });
            const options = { expiresIn: EXPIRES_IN_SECONDS, unhoistableHeaders: SIGNED };
            const url = await getSignedUrl(signer, command, options);
            return { url, headers: { 'x-amz-checksum-sha256': toBase64(checksum) } };
          }),
        );
      },

      async list({ open, after }: { open: Open; after?: string }) {
        const command = new ListPartsCommand({
          ...{ Bucket: bucket, Key: open.key, UploadId: open.uploadId, MaxParts: PAGE_PARTS },
          ...(after === undefined ? {} : { PartNumberMarker: after }),
        });
        try {
          const page = await client.send(command);
          const parts = (page.Parts ?? []).map(({ PartNumber = 0, Size = 0, ETag }) => {
            return { partNumber: PartNumber, sizeBytes: Size, etag: ETag };
          });
          return { parts, next: page.IsTruncated ? page.NextPartNumberMarker : undefined };
        } catch (error) {
          if (error instanceof NoSuchUpload) return null;
          throw error;
        }
      },

      async complete({
        open,
        parts,
      }: {
        open: Open;
        parts: { partNumber: number; etag: string }[];
      }) {
        const listed = parts.map(({ partNumber, etag }) => ({
          PartNumber: partNumber,
          ETag: etag,
        }));
        const upload = { Bucket: bucket, Key: open.key, UploadId: open.uploadId };
        const command = { ...upload, MultipartUpload: { Parts: listed } };
        await client.send(new CompleteMultipartUploadCommand(command));
      },

      abort,

      async head(keys: readonly string[]) {
        const sizes = keys.map(async (key) => {
          const object = { Bucket: bucket, Key: key };
          const found = await client.send(new HeadObjectCommand(object)).catch(ifMissing);
          return found?.ContentLength ?? null;
        });
        return Promise.all(sizes);
      },

      /** As STS gives them, but of the test server, which knows no sessions. */
      async keys({ lifetimeMs }: { lifetimeMs: number }) {
        keysGiven += 1;
        const expiresAt = new Date(Date.now() + lifetimeMs).toISOString();
        return { accessKeyId, secretAccessKey, expiresAt };
      },
      keysGiven: async () => keysGiven,
    },

    async read(key) {
      const object = { Bucket: bucket, Key: key };
      const found = await client.send(new GetObjectCommand(object)).catch(ifMissing);
      const bytes = await found?.Body?.transformToByteArray();
      return bytes && Buffer.from(bytes);
    },
    countStored: async () => (await listKeys()).length,
    countUnfinished: async () => (await listOpen()).length,

    async close() {
      await proxy.close();
      await gateway?.close();
      for (const open of await listOpen()) await abort(open);
      for (const key of await listKeys()) {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      }
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      client.destroy();
      signer.destroy();
    },
  };
}

function ifMissing(error: unknown): undefined {
  const isMissing = error instanceof NoSuchKey || (error as Error)?.name === 'NotFound';
  if (!isMissing) throw error;
}

function toBase64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
