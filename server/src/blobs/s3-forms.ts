import type { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../clock.ts';
import { BlobStoreUnusableError, type PutGrant, type SignedPost } from './blob-store.ts';
import { SHA256_METADATA } from './s3-signer.ts';

export interface S3FormSigner {
  /** @throws {BlobStoreUnusableError} where the package that signs is not installed. */
  ping(): Promise<void>;
  sign(grant: PutGrant): Promise<SignedPost>;
}

/** Signs POST policies: forms that store exactly one promised object, under its key. */
export function createS3FormSigner(parts: {
  client: S3Client;
  bucket: string;
  verifiesChecksums: boolean;
  clock: Clock;
}): S3FormSigner {
  const { client, bucket, verifiesChecksums, clock } = parts;
  return {
    ping: async () => void (await presignedPosts()),

    async sign({ key, sizeBytes, checksum, contentType, expiresInSeconds }) {
      const { createPresignedPost } = await presignedPosts();
      // By the given clock, as its URLs are.
      const config = { ...client.config, systemClockOffset: clock() - Date.now() };
      const { url, fields } = await createPresignedPost({ config } as S3Client, {
        Bucket: bucket,
        Key: key,
        Expires: expiresInSeconds,
        // Each of them becomes a condition as well: a form with another value is refused.
        Fields: {
          'Content-Type': contentType,
          'x-amz-checksum-algorithm': 'SHA256',
          'x-amz-checksum-sha256': Buffer.from(checksum, 'hex').toString('base64'),
          ...(verifiesChecksums && { [`x-amz-meta-${SHA256_METADATA}`]: checksum }),
        },
        Conditions: [['content-length-range', sizeBytes, sizeBytes]],
      });
      return { url, method: 'POST', headers: {}, fields };
    },
  };
}

async function presignedPosts() {
  try {
    return await import('@aws-sdk/s3-presigned-post');
  } catch (cause) {
    throw new BlobStoreUnusableError(
      'formsUpToBytes needs the package @aws-sdk/s3-presigned-post: npm install @aws-sdk/s3-presigned-post',
      { cause },
    );
  }
}
