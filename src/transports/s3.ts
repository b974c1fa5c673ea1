/**
 * `bulkhead/s3`: straight to a store of S3's kind, by presigned URLs or by temporary keys.
 *
 * @module bulkhead/s3
 */
export type { PartToSign, SentPart, StoredPart } from './multipart-put.ts';
export type { OpenMultipart, PartPage } from './s3-multipart.ts';
export {
  type PresignedPost,
  type PresignedPut,
  type S3PresignedAdapterOptions,
  s3PresignedAdapter,
} from './s3-presigned-adapter.ts';
export type { PresignedPart } from './s3-presigned-multipart.ts';
export {
  type S3TemporaryCredentialsAdapterOptions,
  s3TemporaryCredentialsAdapter,
} from './s3-temporary-credentials-adapter.ts';
export type { TemporaryCredentials } from './temporary-credentials.ts';
