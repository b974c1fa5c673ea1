import { afterAll } from 'vitest';
import { createVercelBlobStore } from '../src/blobs/vercel-blob-store.ts';
import { describeUploads } from './fixtures/describe-uploads.ts';
import { startVercelBlobService } from './fixtures/vercel-blob-service.ts';

afterAll(() => {
  delete process.env.VERCEL_BLOB_API_URL;
});

describeUploads('Vercel Blob, on a stand-in of the service', async () => {
  const service = await startVercelBlobService('private');
  process.env.VERCEL_BLOB_API_URL = service.apiUrl;
  const { token, origin: blobOrigin } = service;
  return {
    store: createVercelBlobStore({ token, blobOrigin }),
    broken: createVercelBlobStore({ token: `${token}x`, blobOrigin }),
    secrets: [token],
    close: () => service.close(),
  };
});
