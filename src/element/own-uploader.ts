import type { Uploader } from '../core/uploader.ts';
import { createUploader } from '../create-uploader.ts';
import { bulkheadAdapter } from '../transports/bulkhead-adapter.ts';

/** What the element's attributes say of an uploader of its own. */
export interface OwnUploaderOptions {
  /** Where the server kit answers; '' for the page's own origin. */
  readonly endpoint: string;
  /** As of `<input accept>`: '' for everything. */
  readonly accept: string;
  /** Bytes; null for the SDK's default. */
  readonly maxFileSizeBytes: number | null;
  /** Whose uploads these are. */
  readonly scope: string;
}

/** The one place where the element makes an uploader. */
export function createOwnUploader(options: OwnUploaderOptions): Uploader {
  const { endpoint, accept, maxFileSizeBytes, scope } = options;
  const allowedTypes = accept
    .split(',')
    .map((type) => type.trim())
    .filter((type) => type !== '' && type !== '*/*');
  return createUploader({
    adapter: bulkheadAdapter({ baseUrl: endpoint }),
    scope,
    restrictions: {
      ...(allowedTypes.length > 0 ? { allowedTypes } : {}),
      ...(maxFileSizeBytes === null ? {} : { maxFileSizeBytes }),
    },
  });
}
