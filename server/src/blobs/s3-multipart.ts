import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Clock } from '../clock.ts';
import type { BlobMultipart, StoredPart } from './blob-store.ts';
import { isMissing } from './s3-failures.ts';

/** Of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
export const MAX_PART_BYTES = 5 * 1024 ** 3;
export const MAX_PARTS = 10_000;
/** Every part but the last. */
export const MIN_PART_BYTES = 5 * 1024 ** 2;

/** Another call completed it, aborted it, replaced a part, or the object is there: the object tells which. */
const OVERTAKEN = new Set([
  'NoSuchUpload',
  'InvalidPart',
  'PreconditionFailed',
  'ConditionalRequestConflict',
]);

export interface S3MultipartParts {
  /** Of this server's calls. */
  client: S3Client;
  /** Whose endpoint browsers reach. */
  signing: S3Client;
  bucket: string;
  createOnly: boolean;
  clock: Clock;
  fromBytes: number;
  minPartBytes: number;
  /** Parts in one page of a list. Default: what the server gives, 1,000. */
  pageParts?: number;
}

/** Uploads in parts by S3's own calls. The SHA-256 of the whole is known to nobody until it is read. */
export function createS3Multipart(parts: S3MultipartParts): BlobMultipart {
  const { client, signing, bucket, createOnly, clock, fromBytes, minPartBytes, pageParts } = parts;

  const page = async (key: string, uploadId: string, marker: string | undefined) => {
    try {
      return await client.send(
        new ListPartsCommand({
          Bucket: bucket,
          Key: key,
          UploadId: uploadId,
          ...(marker !== undefined && { PartNumberMarker: marker }),
          ...(pageParts !== undefined && { MaxParts: pageParts }),
        }),
      );
    } catch (error) {
      if (isNamed(error, 'NoSuchUpload')) return undefined;
      throw error;
    }
  };

  /**
   * Whether an upload in parts became the object. Where a server's own record of it outlived that (Swift
   * deletes it after it made the object, if nothing comes between), an abort would take the object's bytes.
   */
  const isOfParts = async (key: string) => {
    try {
      const { ETag = '' } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
      return ETag.includes('-');
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  };

  return {
    fromBytes,
    limits: { minPartBytes, maxPartBytes: MAX_PART_BYTES, maxParts: MAX_PARTS },

    async begin(key, contentType) {
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({
          Bucket: bucket,
          Key: key,
          ContentType: contentType,
          // AWS refuses parts whose checksums are of another kind than was announced.
          ChecksumAlgorithm: 'SHA256',
        }),
      );
      if (UploadId === undefined) throw new Error('The object store gave no id of an upload');
      return UploadId;
    },

    async list(key, uploadId) {
      const stored: StoredPart[] = [];
      let marker: string | undefined;
      do {
        const answer = await page(key, uploadId, marker);
        if (!answer) return undefined;
        for (const part of answer.Parts ?? []) stored.push(storedPart(part));
        const next = answer.IsTruncated ? answer.NextPartNumberMarker : undefined;
        if (next !== undefined && next === marker) {
          throw new Error('The object store lists the same parts again and again');
        }
        marker = next;
      } while (marker !== undefined);
      return stored.sort((a, b) => a.partNumber - b.partNumber);
    },

    async signPart({ key, uploadId, partNumber, sizeBytes, checksum, expiresInSeconds }) {
      const base64 = Buffer.from(checksum, 'hex').toString('base64');
      const headers = { 'x-amz-checksum-sha256': base64 };
      const names = Object.keys(headers);
      const command = new UploadPartCommand({
        Bucket: bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: partNumber,
        ContentLength: sizeBytes,
        ChecksumSHA256: base64,
      });
      const url = await getSignedUrl(signing, command, {
        expiresIn: expiresInSeconds,
        signingDate: new Date(clock()),
        // The browser sends Content-Length by itself, and may not be told to.
        signableHeaders: new Set([...names, 'host', 'content-length']),
        // In the query, some servers take the checksum for a claim that nobody needs to check.
        unhoistableHeaders: new Set(names),
      });
      return { url, method: 'PUT', headers };
    },

    async complete(key, uploadId, stored) {
      try {
        await client.send(
          new CompleteMultipartUploadCommand({
            Bucket: bucket,
            Key: key,
            UploadId: uploadId,
            MultipartUpload: {
              Parts: stored.map(({ partNumber, etag, checksumBase64 }) => ({
                PartNumber: partNumber,
                ETag: etag,
                ...(checksumBase64 !== undefined && { ChecksumSHA256: checksumBase64 }),
              })),
            },
            ...(createOnly && { IfNoneMatch: '*' }),
          }),
        );
        return true;
      } catch (error) {
        if (error instanceof S3ServiceException && OVERTAKEN.has(error.name)) return false;
        throw error;
      }
    },

    async abort(key, uploadId) {
      if (await isOfParts(key)) return false;
      try {
        await client.send(
          new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }),
        );
        return true;
      } catch (error) {
        if (isNamed(error, 'NoSuchUpload')) return false;
        throw error;
      }
    },
  };
}

function storedPart(part: NonNullable<ListPartsCommandOutput['Parts']>[number]): StoredPart {
  const { PartNumber = 0, Size = 0, ETag = '', ChecksumSHA256 } = part;
  return {
    partNumber: PartNumber,
    sizeBytes: Size,
    etag: ETag,
    ...(ChecksumSHA256 !== undefined && { checksumBase64: ChecksumSHA256 }),
  };
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof S3ServiceException && error.name === name;
}
