import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Clock } from '../clock.ts';
import type { GetGrant, PutGrant, SignedPut } from './blob-store.ts';
import { attachment } from './content-disposition.ts';

/** Of an object's metadata: its SHA-256 in hex, for servers that do not keep the checksum itself. */
export const SHA256_METADATA = 'sha256';

/** A presigned URL of S3 lives a week at most. */
const MAX_URL_SECONDS = 7 * 24 * 60 * 60;

export interface S3Signer {
  signPut(grant: PutGrant): Promise<SignedPut>;
  signGet(grant: GetGrant): Promise<string>;
}

export function createS3Signer(parts: {
  client: S3Client;
  bucket: string;
  createOnly: boolean;
  verifiesChecksums: boolean;
  clock: Clock;
}): S3Signer {
  const { client, bucket, createOnly, verifiesChecksums, clock } = parts;
  return {
    async signPut({ key, sizeBytes, checksum, contentType, expiresInSeconds }) {
      const base64 = Buffer.from(checksum, 'hex').toString('base64');
      const headers: Record<string, string> = {
        'Content-Type': contentType,
        'x-amz-checksum-sha256': base64,
        ...(createOnly && { 'If-None-Match': '*' }),
        ...(verifiesChecksums && { [`x-amz-meta-${SHA256_METADATA}`]: checksum }),
      };
      const command = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        ContentType: contentType,
        ContentLength: sizeBytes,
        ChecksumSHA256: base64,
        ...(createOnly && { IfNoneMatch: '*' }),
        ...(verifiesChecksums && { Metadata: { [SHA256_METADATA]: checksum } }),
      });
      const names = Object.keys(headers).map((name) => name.toLowerCase());
      const url = await getSignedUrl(client, command, {
        expiresIn: expiresInSeconds,
        signingDate: new Date(clock()),
        // The browser sends Content-Length by itself, and may not be told to.
        signableHeaders: new Set([...names, 'host', 'content-length']),
        // In the query, some servers take the checksum for a claim that nobody needs to check.
        unhoistableHeaders: new Set(names),
      });
      return { url, method: 'PUT', headers };
    },

    signGet({ key, expiresInSeconds, contentType, downloadName }) {
      const lifetime = Math.min(expiresInSeconds, MAX_URL_SECONDS / 2);
      // Dated back to a window as long as the lifetime, and good for two: the same URL for a while, so that
      // browsers find it in their cache, and never less than the lifetime asked for.
      const signedAt = Math.floor(clock() / 1000 / lifetime) * lifetime;
      const command = new GetObjectCommand({
        Bucket: bucket,
        Key: key,
        ResponseContentType: contentType,
        ResponseCacheControl: `private, max-age=${lifetime}, immutable`,
        ...(downloadName !== undefined && { ResponseContentDisposition: attachment(downloadName) }),
      });
      return getSignedUrl(client, command, {
        expiresIn: lifetime * 2,
        signingDate: new Date(signedAt * 1000),
      });
    },
  };
}
