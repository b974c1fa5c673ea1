import type { PutOutcome, PutRequest } from './adapter.ts';
import { loadLate } from './load-late.ts';
import type { MultipartUploads } from './s3-multipart.ts';
import { mayHaveToken, type TokenPlace, tokenPlace } from './token-storage.ts';

/** Files in parts to a store of S3's kind, by code that is loaded for the first of them. */
export interface LateMultipart {
  put(request: PutRequest): Promise<PutOutcome>;
  /** The store forgets what it has of the upload, once its PUT has ended. */
  abort(key: string): Promise<void>;
}

/**
 * @param name of the adapter and its store
 * @param load what `create` makes them of
 */
export function lateMultipart<M>(
  name: string,
  load: () => Promise<M>,
  create: (module: M, tokens: TokenPlace) => MultipartUploads,
): LateMultipart {
  const tokens = tokenPlace(name);
  const uploads = loadLate(load, (module) => create(module, tokens));
  return {
    put: async (request) => (await uploads.get()).put(request),
    async abort(key) {
      // Where this page sent nothing in parts, an earlier one may have: that left a token.
      const loaded = uploads.current ?? (mayHaveToken(tokens, key) ? uploads.get() : undefined);
      await (await loaded)?.abort(key);
    },
  };
}
