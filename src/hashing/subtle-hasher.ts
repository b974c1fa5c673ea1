import { type Hasher, toHex } from './hasher.ts';
import { toReadError } from './read-error.ts';

/** WebCrypto: three to seven times as fast as WASM, but the file must fit a buffer. */
export const subtleHasher: Hasher = {
  async hash(file, signal) {
    try {
      signal.throwIfAborted();
      return toHex(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
    } catch (cause) {
      throw toReadError(cause);
    }
  },
};
