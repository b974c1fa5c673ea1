import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import { freeBuffer } from './free-buffer.ts';
import { type Hasher, toHex } from './hasher.ts';
import { readBytes } from './read-bytes.ts';
import { toReadError } from './read-error.ts';

/** WebCrypto alone, in the page: for files that fit a buffer, on pages that have it. */
export function createSubtleHasher(runtime: Runtime): Hasher {
  return {
    async hash(file, signal) {
      try {
        return await digestInPage(await readBytes(file, file, { runtime, signal }));
      } catch (cause) {
        throw toReadError(cause, signal);
      }
    },
  };
}

export const subtleHasher: Hasher = createSubtleHasher(systemRuntime());

/**
 * WebCrypto of these bytes, which are gone afterwards. Chromium computes it on the calling thread:
 * 1.1 ms a megabyte.
 */
export async function digestInPage(bytes: ArrayBuffer): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes);
  freeBuffer(bytes);
  return toHex(digest);
}
