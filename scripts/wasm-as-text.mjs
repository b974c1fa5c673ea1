/**
 * For esbuild: what is bundled of hash-wasm has its modules as text, one character a byte, which base64 is made of
 * when it is loaded. Base64 hides from gzip what repeats: 0.6 KiB of the hash worker. Escaped, the text is ASCII.
 */
import { readFileSync } from 'node:fs';

/** "\0asm" in base64, and the rest of the string. */
const WASM = /"(AGFzb[\w+/=]+)"/g;

/** @type {import('esbuild').Plugin} */
export const wasmAsText = {
  name: 'wasm-as-text',
  setup(build) {
    build.onLoad({ filter: /[\\/]hash-wasm[\\/].*\.m?js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replaceAll(WASM, (_, base64) => {
        const bytes = JSON.stringify(atob(base64));
        // Of the modules that nobody uses nothing is left.
        return `/* @__PURE__ */ btoa(${bytes})`;
      }),
    }));
  },
};
