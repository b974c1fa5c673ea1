import { AdaptiveHasher } from '../../src/hashing/adaptive-hasher.ts';
import { createPageSource } from '../../src/hashing/default-hasher.ts';
import { startOwnWorker } from '../../src/hashing/own-worker.ts';
import { Sha256Source } from '../../src/hashing/sha256.ts';
import { createJsSha256 } from '../../src/hashing/sha256-js.ts';
import { WorkerPool } from '../../src/hashing/worker-pool.ts';
import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';

export interface TestHasherOptions {
  readonly runtime?: Runtime;
  /** Default: as the page has it. */
  readonly hasWebCrypto?: boolean;
  /** Default: the worker of the sources. */
  readonly startWorker?: () => Worker;
  readonly maxWorkers?: number;
  /** In the page. Default true. */
  readonly hasWasm?: boolean;
  readonly maxBufferedBytes?: number;
}

/** The default hasher on a page that lacks this or that. */
export function createTestHasher(options: TestHasherOptions = {}): AdaptiveHasher {
  const { runtime = systemRuntime(), hasWebCrypto = true, hasWasm = true } = options;
  const { startWorker = startOwnWorker, maxWorkers = 2 } = options;
  return new AdaptiveHasher({
    runtime,
    hasWebCrypto,
    maxBufferedBytes: options.maxBufferedBytes ?? 128 * 1024 * 1024,
    source: hasWasm ? createPageSource() : sourceWithoutWasm(),
    pool: new WorkerPool({ runtime, startWorker, maxWorkers }),
  });
}

/** As `new Worker` under a content security policy of `worker-src 'none'`. */
export function forbidWorkers(): never {
  throw new DOMException('Access to the script is denied by the content security policy.');
}

function sourceWithoutWasm(): Sha256Source {
  return new Sha256Source({
    wasm: () => Promise.reject(new WebAssembly.CompileError('disallowed by embedder')),
    js: createJsSha256,
  });
}
