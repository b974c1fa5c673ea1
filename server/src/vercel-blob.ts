/**
 * `@bulkhead/server/vercel-blob`: objects in a Vercel Blob store. Needs `@vercel/blob`.
 *
 * @module @bulkhead/server/vercel-blob
 */
export { createVercelBlobStore, type VercelBlobStoreOptions } from './blobs/vercel-blob-store.ts';
