import type { Plugin } from 'esbuild';

/** What is bundled of hash-wasm has its modules as text, which gzip makes smaller than base64. */
export declare const wasmAsText: Plugin;
