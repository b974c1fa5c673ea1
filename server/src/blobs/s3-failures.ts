import { S3ServiceException } from '@aws-sdk/client-s3';
import { BlobStoreUnusableError } from './blob-store.ts';

/** URLs are dated by our clock, and AWS refuses what is 15 minutes off. */
const MAX_SKEW_MS = 5 * 60_000;

export function isMissing(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  // A missing bucket is no missing object: nothing may be concluded from it. HEAD has no body to tell.
  if (error.name === 'NoSuchBucket') return false;
  return error.name === 'NoSuchKey' || error.$metadata.httpStatusCode === 404;
}

/** The key has an object (412), or another write of it is just under way (409). */
export function isTaken(error: unknown): boolean {
  if (!(error instanceof S3ServiceException)) return false;
  return error.name === 'ConditionalRequestConflict' || error.$metadata.httpStatusCode === 412;
}

/** What a failed call says about how the store is set up. */
export function unusable(error: unknown, bucket: string, where: string): BlobStoreUnusableError {
  const name = error instanceof Error ? error.name : '';
  return new BlobStoreUnusableError(`${advice(name, error, bucket)} (${where})`, { cause: error });
}

function advice(name: string, error: unknown, bucket: string): string {
  switch (name) {
    case 'NoSuchBucket':
      return `The bucket ${bucket} does not exist: make it, or correct the option bucket`;
    case 'AccessDenied':
      return `These keys may not list the bucket ${bucket}: allow ListBucket, GetObject, PutObject and DeleteObject, and for files in parts ListBucketMultipartUploads, ListMultipartUploadParts and AbortMultipartUpload`;
    case 'InvalidAccessKeyId':
      return 'The server does not know this access key: correct credentials.accessKeyId';
    case 'SignatureDoesNotMatch':
      return 'The server refuses the signature: correct credentials.secretAccessKey, or region';
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `The bucket ${bucket} is in another region: correct the option region`;
    case 'RequestTimeTooSkewed':
      return 'The clock of this machine is wrong: set it, since URLs are signed by it';
    case 'CredentialsProviderError':
      return 'There are no credentials: give the option credentials, or AWS_ACCESS_KEY_ID';
    default: {
      const { code } = error as { code?: unknown };
      const reason = typeof code === 'string' ? code : name || 'unknown';
      return `The object store does not answer as S3 does: ${reason}`;
    }
  }
}

/** @throws {BlobStoreUnusableError} when what this machine signs would be too old or from the future. */
export function refuseSkew(serverDate: string | undefined, nowMs: number, where: string): void {
  const serverMs = Date.parse(serverDate ?? '');
  const skewMs = nowMs - serverMs;
  if (Number.isNaN(serverMs) || Math.abs(skewMs) <= MAX_SKEW_MS) return;
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  throw new BlobStoreUnusableError(
    `The clock of this machine is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the object store's: set it, since URLs are signed by it (${where})`,
  );
}
