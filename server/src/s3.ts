/**
 * `@bulkhead/server/s3`: objects in S3 and what speaks it. Needs `@aws-sdk/client-s3` and its presigner.
 *
 * @module @bulkhead/server/s3
 */
export type { S3StoreOptions } from './blobs/s3-options.ts';
export { createS3Store, type S3Store } from './blobs/s3-store.ts';
