import type { Hasher } from './hasher.ts';
import { subtleHasher } from './subtle-hasher.ts';
import { wasmHasher } from './wasm-hasher.ts';

/** Larger files are streamed: with four reads at once this bounds memory to 128 MB. */
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;

/** WebCrypto where it exists and the file fits, WASM elsewhere (plain http has no WebCrypto). */
export function defaultHasher(): Hasher {
  return {
    hash(file, signal) {
      const hasSubtle = typeof crypto !== 'undefined' && crypto.subtle !== undefined;
      const hasher = hasSubtle && file.size <= MAX_BUFFERED_BYTES ? subtleHasher : wasmHasher;
      return hasher.hash(file, signal);
    },
  };
}
