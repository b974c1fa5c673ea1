import {
  type MultipartLimits,
  multipartAbortResponseSchema,
  multipartBeginResponseSchema,
  multipartPartsResponseSchema,
} from '../protocol/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { PutOutcome, PutRequest } from './adapter.ts';
import type { ApiClient } from './api-client.ts';
import { choosePartSize, createPartPool, putInParts } from './multipart-put.ts';

/** Uploads to a Bulkhead server's store in parts. */
export interface BulkheadParts {
  /** @param limits of the credential */
  put(request: PutRequest, limits: MultipartLimits): Promise<PutOutcome>;
  /** Forgets the parts of an upload that nobody wants any more. */
  abort(assetId: string): Promise<void>;
}

/** @param concurrency parts under way at once, of all files */
export function bulkheadParts(
  api: ApiClient,
  runtime: Runtime,
  concurrency: number,
): BulkheadParts {
  const pool = createPartPool(concurrency);
  return {
    async put(request, limits) {
      const { upload, credential, body, signal, onProgress } = request;
      const { assetId } = credential;
      const partSize = choosePartSize({
        fileBytes: upload.sizeBytes,
        limits,
        goodputBytesPerSecond: pool.goodputBytesPerSecond,
      });
      const begun = await api.post(
        '/api/multipart/begin',
        { assetId, partSize },
        multipartBeginResponseSchema,
        signal,
      );
      await putInParts({
        ...{ body, signal, onProgress, runtime, pool },
        partSizeBytes: begun.partSize,
        storedParts: begun.parts.map(({ partNumber, size }) => ({ partNumber, sizeBytes: size })),
        hasChecksums: true,
        async sign(wanted, whileSigning) {
          const parts = wanted.map(({ partNumber, checksum }) => ({ partNumber, checksum }));
          const schema = multipartPartsResponseSchema;
          const json = { assetId, parts };
          return (await api.post('/api/multipart/parts', json, schema, whileSigning)).parts;
        },
      });
      return 'stored';
    },

    async abort(assetId) {
      const { signal } = new AbortController();
      await api.post('/api/multipart/abort', { assetId }, multipartAbortResponseSchema, signal);
    },
  };
}
