import { createSHA256 } from 'hash-wasm';
import type { Sha256 } from './sha256.ts';

/** hash-wasm. Throws a CompileError where the content security policy forbids WASM. */
export async function createWasmSha256(): Promise<Sha256> {
  const hash = await createSHA256();
  return {
    engine: 'wasm',
    begin() {
      hash.init();
    },
    update(bytes) {
      hash.update(bytes);
    },
    end: () => hash.digest('hex'),
  };
}
