import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import { AdaptiveHasher } from './adaptive-hasher.ts';
import { startOwnWorker } from './own-worker.ts';
import { Sha256Source } from './sha256.ts';
import { startWorkerAt } from './start-worker.ts';
import { WorkerPool } from './worker-pool.ts';

/** For all files at once that are hashed by WebCrypto, which takes whole files only. */
const MAX_BUFFERED_BYTES = 128 * 1024 * 1024;
/** On devices of less than 4 GB. */
const MAX_BUFFERED_BYTES_LOW = 64 * 1024 * 1024;
/** A third one would only compete for the drive. */
const MAX_WORKERS = 2;

export interface HasherOptions {
  /** Time and timers, for tests. Default: the browser's. */
  readonly runtime?: Runtime | undefined;
  /**
   * Where the worker's script is (`dist/hash-worker.js` of this package), relative to the page, for
   * bundlers that do not take it along. Default: beside the script that this function is in. Where it
   * is not found, files are hashed in the page.
   */
  readonly workerUrl?: string | URL | undefined;
}

/** WebCrypto for what fits a buffer, WASM in a worker for the rest; see docs/hashing.md. */
export function defaultHasher({ runtime, workerUrl }: HasherOptions = {}): AdaptiveHasher {
  const theRuntime = runtime ?? systemRuntime();
  // On plain http there is no WebCrypto.
  const hasWebCrypto = typeof crypto !== 'undefined' && crypto.subtle !== undefined;
  const { deviceMemory = 8, hardwareConcurrency = MAX_WORKERS } = device();
  return new AdaptiveHasher({
    runtime: theRuntime,
    hasWebCrypto,
    maxBufferedBytes: deviceMemory >= 4 ? MAX_BUFFERED_BYTES : MAX_BUFFERED_BYTES_LOW,
    source: createPageSource(),
    pool: new WorkerPool({
      runtime: theRuntime,
      maxWorkers: Math.min(MAX_WORKERS, hardwareConcurrency),
      startWorker:
        workerUrl === undefined
          ? startOwnWorker
          : () => startWorkerAt(new URL(workerUrl, document.baseURI)),
    }),
  });
}

/** Loads WASM or JavaScript only when the page itself has to hash slices. */
export function createPageSource(): Sha256Source {
  return new Sha256Source({
    wasm: async () => (await import('./sha256-wasm.ts')).createWasmSha256(),
    js: async () => (await import('./sha256-js.ts')).createJsSha256(),
  });
}

/** `deviceMemory` is Chromium's alone, in GB and never more than 8. */
function device(): { deviceMemory?: number; hardwareConcurrency?: number } {
  return typeof navigator === 'undefined' ? {} : navigator;
}
