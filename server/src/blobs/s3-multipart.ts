import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Clock } from '../clock.ts';
import type { BlobMultipart, BlobPart } from './blob-store.ts';
import { isMissing, isTaken } from './s3-failures.ts';

/** What S3 takes at most. */
const MAX_PART_BYTES = 5 * 1024 ** 3;
const MAX_PARTS = 10_000;

export interface S3MultipartParts {
  client: S3Client;
  /** For URLs that browsers use. */
  signing: S3Client;
  bucket: string;
  createOnly: boolean;
  fromBytes: number;
  minPartBytes: number;
  partsPerPage: number;
  clock: Clock;
}

/** A part as the store lists it; where it keeps checksums, completing must name them. */
interface S3Part extends BlobPart {
  checksum: string | undefined;
}

/** Uploads in parts: begun, listed, completed and aborted by this server, the parts sent by browsers. */
export function createS3Multipart(parts: S3MultipartParts): BlobMultipart {
  const { client, signing, bucket, createOnly, partsPerPage, clock } = parts;

  const list = async (key: string, uploadId: string): Promise<S3Part[] | undefined> => {
    const found: S3Part[] = [];
    let marker: string | undefined;
    try {
      do {
        const page: ListPartsCommandOutput = await client.send(
          new ListPartsCommand({
            Bucket: bucket,
            Key: key,
            UploadId: uploadId,
            MaxParts: partsPerPage,
            ...(marker !== undefined && { PartNumberMarker: marker }),
          }),
        );
        for (const { PartNumber = 0, Size = 0, ETag = '', ChecksumSHA256 } of page.Parts ?? []) {
          const part = { partNumber: PartNumber, sizeBytes: Size, etag: ETag };
          found.push({ ...part, checksum: ChecksumSHA256 });
        }
        marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
      } while (marker !== undefined);
    } catch (error) {
      if (isNoSuchUpload(error)) return undefined;
      throw error;
    }
    return found;
  };

  return {
    fromBytes: parts.fromBytes,
    limits: {
      minPartBytes: parts.minPartBytes,
      maxPartBytes: MAX_PART_BYTES,
      maxParts: MAX_PARTS,
    },

    async begin(key, contentType) {
      // No checksum as metadata: nobody compares it with the whole object.
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({
          Bucket: bucket,
          Key: key,
          ContentType: contentType,
          ChecksumAlgorithm: 'SHA256',
        }),
      );
      if (UploadId === undefined) throw new Error('The object store began no multipart upload');
      return UploadId;
    },

    parts: list,

    async signPart({ key, uploadId, partNumber, sizeBytes, checksum, expiresInSeconds }) {
      const base64 = Buffer.from(checksum, 'hex').toString('base64');
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
        signableHeaders: new Set(['host', 'content-length', 'x-amz-checksum-sha256']),
        unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
      });
      return { url, method: 'PUT', headers: { 'x-amz-checksum-sha256': base64 } };
    },

    async complete(key, uploadId) {
      const listed = (await list(key, uploadId)) ?? [];
      if (listed.length === 0) return;
      try {
        await client.send(
          new CompleteMultipartUploadCommand({
            Bucket: bucket,
            Key: key,
            UploadId: uploadId,
            MultipartUpload: {
              Parts: listed.map(({ partNumber, etag, checksum }) => ({
                PartNumber: partNumber,
                ETag: etag,
                ...(checksum !== undefined && { ChecksumSHA256: checksum }),
              })),
            },
            ...(createOnly && { IfNoneMatch: '*' }),
          }),
        );
      } catch (error) {
        // Another request completed it, or an answer of ours was lost; or a PUT of the key came first.
        if (!isNoSuchUpload(error) && !isTaken(error)) throw error;
      }
    },

    abort: (key, uploadId) => abortUpload(client, bucket, key, uploadId),
  };
}

/**
 * Gives up what began before a time, but for keys that `keep` names.
 * @returns how many.
 */
export async function abortUnfinished(
  { client, bucket }: { client: S3Client; bucket: string },
  startedBeforeMs: number,
  limit: number,
  keep: (keys: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<number> {
  const listUnfinished = (marker: { KeyMarker?: string; UploadIdMarker?: string }) =>
    client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'u/', ...marker }));
  let aborted = 0;
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (marker && aborted < limit) {
    const page: Awaited<ReturnType<typeof listUnfinished>> = await listUnfinished(marker);
    const old = (page.Uploads ?? []).flatMap(({ Key, UploadId, Initiated }) => {
      const startedMs = Initiated?.getTime() ?? Number.POSITIVE_INFINITY;
      if (Key === undefined || UploadId === undefined || startedMs >= startedBeforeMs) return [];
      return [{ key: Key, uploadId: UploadId }];
    });
    const kept = old.length > 0 ? await keep(old.map(({ key }) => key)) : new Set<string>();
    for (const { key, uploadId } of old) {
      if (aborted >= limit || kept.has(key)) continue;
      await abortUpload(client, bucket, key, uploadId);
      aborted += 1;
    }
    marker =
      page.IsTruncated && page.NextKeyMarker !== undefined
        ? {
            KeyMarker: page.NextKeyMarker,
            ...(page.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }),
          }
        : undefined;
  }
  return aborted;
}

async function abortUpload(
  client: S3Client,
  bucket: string,
  key: string,
  uploadId: string,
): Promise<boolean> {
  try {
    await client.send(
      new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId }),
    );
    return true;
  } catch (error) {
    // Completed or aborted in between.
    if (!isNoSuchUpload(error)) throw error;
    return false;
  }
}

/** Swift says NoSuchKey where AWS says NoSuchUpload. A missing bucket is neither. */
function isNoSuchUpload(error: unknown): boolean {
  return isMissing(error);
}
