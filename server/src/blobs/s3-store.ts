import { Readable } from 'node:stream';
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { resolveOptions } from '../config.ts';
import {
  BlobNotFoundError,
  type BlobPage,
  type BlobStore,
  type UnfinishedUpload,
} from './blob-store.ts';
import { isMissing, isTaken, refuseSkew, unusable } from './s3-failures.ts';
import { createS3FormSigner } from './s3-forms.ts';
import { createS3Multipart } from './s3-multipart.ts';
import { type S3StoreOptions, s3OptionsSchema } from './s3-options.ts';
import { createS3Signer, SHA256_METADATA } from './s3-signer.ts';

/** A {@link BlobStore} in a bucket. */
export interface S3Store extends BlobStore {
  abortUnfinished: NonNullable<BlobStore['abortUnfinished']>;
  /** Closes idle connections. */
  close(): void;
}

/** What DeleteObjects takes at once. */
const DELETE_BATCH = 1000;
const PAGE_ENTRIES = 1000;
const TRIES_PER_ABORT = 10;

/**
 * S3 and what speaks it (R2, MinIO, Swift), by the AWS SDK. Browsers send straight to the bucket, by
 * presigned URLs that carry the SHA-256, the length and the type as signed headers, small files by signed forms
 * that do where `formsUpToBytes` says so; the bucket needs a CORS rule for them.
 * @throws {OptionsError} naming every option that does not fit.
 */
export function createS3Store(options: S3StoreOptions): S3Store {
  const resolved = resolveOptions(s3OptionsSchema, options);
  const { bucket, endpoint, publicEndpoint, createOnly, verifiesChecksums } = resolved;
  const { clock = Date.now } = resolved;
  const config = (address: string | undefined): S3ClientConfig => ({
    ...(resolved.region !== undefined && { region: resolved.region }),
    ...(address !== undefined && { endpoint: address }),
    ...(resolved.credentials && { credentials: definedOnly(resolved.credentials) }),
    forcePathStyle: resolved.pathStyle ?? address !== undefined,
    maxAttempts: resolved.maxAttempts,
    // Otherwise the SDK signs a CRC32 of an empty body into every URL.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const client = new S3Client(config(endpoint));
  const signing = publicEndpoint === undefined ? client : new S3Client(config(publicEndpoint));
  const puts = createS3Signer({ client: signing, bucket, createOnly, verifiesChecksums, clock });
  const { formsUpToBytes } = resolved;
  const forms = createS3FormSigner({ client: signing, bucket, verifiesChecksums, clock });
  // Unfinished ones of an earlier setting are swept even where no more are begun.
  const parts = createS3Multipart({
    ...{ client, signing, bucket, createOnly, clock },
    ...(resolved.multipart || { fromBytes: Number.POSITIVE_INFINITY, minPartBytes: 1 }),
  });
  const where = `bucket ${bucket} at ${endpoint ?? 'AWS'}`;

  const get = async (key: string, range?: string) => {
    try {
      const input = { Bucket: bucket, Key: key, ...(range !== undefined && { Range: range }) };
      const { Body } = await client.send(new GetObjectCommand(input));
      if (!(Body instanceof Readable)) throw new Error('The object store answered without a body');
      return Body;
    } catch (error) {
      if (isMissing(error)) throw new BlobNotFoundError(key);
      throw error;
    }
  };

  return {
    name: 's3',
    capabilities: {
      // A form may be sent again while it is good.
      createOnly: createOnly && formsUpToBytes === 0,
      verifiesUploads: true,
      // Where the server keeps none, head has none, and says so.
      reportsChecksums: verifiesChecksums || endpoint === undefined,
      expiringReads: true,
      namesDownloads: true,
      isLocal: false,
    },

    async ping() {
      let date: string | undefined;
      const command = new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 });
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          const { headers } = result.response as { headers?: Record<string, string> };
          date = headers?.date;
          return result;
        },
        // Before the SDK corrects its own clock by what the server says; URLs are not corrected.
        { step: 'deserialize', name: 'bulkheadServerDate' },
      );
      try {
        await client.send(command);
      } catch (error) {
        throw unusable(error, bucket, where);
      }
      refuseSkew(date, clock(), where);
      if (formsUpToBytes > 0) await forms.ping();
    },

    signPut: (grant) =>
      grant.sizeBytes > 0 && grant.sizeBytes <= formsUpToBytes
        ? forms.sign(grant)
        : puts.signPut(grant),
    signGet: (grant) => puts.signGet(grant),

    async head(key) {
      try {
        const answer = await client.send(
          new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }),
        );
        const checksum =
          hexOf(answer.ChecksumSHA256) ??
          (verifiesChecksums ? answer.Metadata?.[SHA256_METADATA] : undefined);
        const sizeBytes = answer.ContentLength ?? 0;
        return checksum === undefined ? { sizeBytes } : { sizeBytes, checksum };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },

    async readStart(key, lengthBytes) {
      try {
        return Buffer.concat(await (await get(key, `bytes=0-${lengthBytes - 1}`)).toArray());
      } catch (error) {
        // No range of an empty object can be had.
        if (error instanceof S3ServiceException && error.name === 'InvalidRange') {
          return new Uint8Array();
        }
        throw error;
      }
    },

    read: (key) => get(key),

    async write(key, bytes, contentType) {
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes, ContentType: contentType }),
      );
    },

    async create({ key, sizeBytes, checksum, contentType }, source) {
      try {
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: source,
            ContentLength: sizeBytes,
            ContentType: contentType,
            ChecksumSHA256: Buffer.from(checksum, 'hex').toString('base64'),
            ...(createOnly && { IfNoneMatch: '*' }),
            ...(verifiesChecksums && { Metadata: { [SHA256_METADATA]: checksum } }),
          }),
        );
        return true;
      } catch (error) {
        if (createOnly && isTaken(error)) return false;
        throw error;
      }
    },

    async delete(keys) {
      for (let start = 0; start < keys.length; start += DELETE_BATCH) {
        const Objects = keys.slice(start, start + DELETE_BATCH).map((Key) => ({ Key }));
        const { Errors = [] } = await client.send(
          new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }),
        );
        const refused = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
        const [first] = refused;
        if (first) {
          throw new Error(
            `The object store did not delete ${refused.length} objects, ${first.Key ?? ''} for one: ${first.Code ?? ''}`,
          );
        }
      }
    },

    async list(prefix, after): Promise<BlobPage> {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          MaxKeys: PAGE_ENTRIES,
          ...(after !== undefined && { StartAfter: after }),
        }),
      );
      const entries = (answer.Contents ?? []).map((object) => ({
        key: object.Key ?? '',
        sizeBytes: object.Size ?? 0,
        modifiedAtMs: object.LastModified?.getTime() ?? Number.POSITIVE_INFINITY,
      }));
      const last = entries.at(-1);
      return answer.IsTruncated && last ? { entries, next: last.key } : { entries };
    },

    async abortUnfinished(startedBeforeMs, limit, neededOf = async () => new Set()) {
      let aborted = 0;
      // Some stores list what they will not abort.
      let triesLeft = limit * TRIES_PER_ABORT;
      let marker: UploadMarker | undefined = {};
      while (marker && aborted < limit && triesLeft > 0) {
        const page: UnfinishedPage = await unfinished(marker, startedBeforeMs);
        const needed = page.old.length > 0 ? await neededOf(page.old) : new Set();
        for (const { key, uploadId } of page.old) {
          if (aborted >= limit || needed.has(uploadId)) continue;
          triesLeft -= 1;
          if (await parts.abort(key, uploadId)) aborted += 1;
        }
        marker = page.next;
      }
      return aborted;
    },

    ...(resolved.multipart && { multipart: parts }),

    close() {
      client.destroy();
      signing.destroy();
    },
  };

  async function unfinished(
    marker: UploadMarker,
    startedBeforeMs: number,
  ): Promise<UnfinishedPage> {
    const { Uploads, IsTruncated, NextKeyMarker, NextUploadIdMarker } = await client.send(
      new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'u/', ...marker }),
    );
    const old = (Uploads ?? []).flatMap(({ Key, UploadId, Initiated }) => {
      const startedMs = Initiated?.getTime() ?? Number.POSITIVE_INFINITY;
      if (Key === undefined || UploadId === undefined || startedMs >= startedBeforeMs) return [];
      return { key: Key, uploadId: UploadId };
    });
    if (!IsTruncated || NextKeyMarker === undefined) return { old };
    const next = {
      KeyMarker: NextKeyMarker,
      ...(NextUploadIdMarker && { UploadIdMarker: NextUploadIdMarker }),
    };
    return { old, next };
  }
}

interface UploadMarker {
  KeyMarker?: string;
  UploadIdMarker?: string;
}

interface UnfinishedPage {
  /** Those that began before the time asked for. */
  old: UnfinishedUpload[];
  next?: UploadMarker;
}

/** A checksum of parts (`…-3`) is not one of the object. */
function hexOf(base64: string | undefined): string | undefined {
  if (base64 === undefined || base64.includes('-')) return undefined;
  return Buffer.from(base64, 'base64').toString('hex');
}

function definedOnly<T extends { sessionToken?: string | undefined }>({
  sessionToken,
  ...keys
}: T) {
  return sessionToken === undefined ? keys : { ...keys, sessionToken };
}
