import type { Hasher } from './hasher.ts';
import { toReadError } from './read-error.ts';

/** One slice hashes in about 4 ms: the page stays responsive between them. */
const SLICE_BYTES = 1024 * 1024;

/** hash-wasm, streaming: for files that do not fit a buffer and for pages without WebCrypto. */
export const wasmHasher: Hasher = {
  async hash(file, signal) {
    try {
      const { createSHA256 } = await import('hash-wasm');
      const hash = (await createSHA256()).init();
      for (let at = 0; at < file.size; at += SLICE_BYTES) {
        signal.throwIfAborted();
        hash.update(new Uint8Array(await file.slice(at, at + SLICE_BYTES).arrayBuffer()));
      }
      return hash.digest('hex');
    } catch (cause) {
      throw toReadError(cause);
    }
  },
};
