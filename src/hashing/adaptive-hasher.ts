import { isChromium } from '../runtime/is-chromium.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ByteBudget } from './byte-budget.ts';
import { hashInPage } from './hash-in-page.ts';
import { digestInWorker, hashInWorker } from './hash-in-worker.ts';
import { type HashedBytes, type Hasher, type HashMode, toHex } from './hasher.ts';
import type { HashContext } from './patiently.ts';
import { readBytes } from './read-bytes.ts';
import { toReadError } from './read-error.ts';
import { SLICE_BYTES } from './read-slices.ts';
import type { Sha256, Sha256Source } from './sha256.ts';
import { SharedReads } from './shared-reads.ts';
import { digestInPage } from './subtle-hasher.ts';
import { WorkerLostError, WorkerRefusalError } from './worker-channel.ts';
import type { WorkerPool } from './worker-pool.ts';

const MEGABYTE = 1024 * 1024;
/** A worker gains nothing below that: a millisecond of the page, and no message. */
const SMALL_BYTES = MEGABYTE;
/** What WebCrypto may take of the page's own thread when there is no worker: 9 ms, 30 on a slow one. */
const MAX_PAGE_DIGEST_BYTES = 8 * MEGABYTE;

/** How a browser says that a buffer of that size cannot be had. A file that is gone looks the same. */
const MEMORY_ERRORS: ReadonlySet<string> = new Set([
  'NotReadableError',
  'OperationError',
  'RangeError',
]);

export interface AdaptiveHasherParts {
  readonly runtime: Runtime;
  readonly pool: WorkerPool;
  /** Hashes slices in the page, where there are no workers. */
  readonly source: Sha256Source;
  readonly hasWebCrypto: boolean;
  /** Of all files that are buffered at once; larger files are hashed in slices. */
  readonly maxBufferedBytes: number;
}

/**
 * Hashes each file in the quickest way that the page permits. The page reads, in any case: there a read
 * that hangs and a file that changed are told apart from a worker that is gone.
 *
 * | size | with WebCrypto | without |
 * |---|---|---|
 * | up to 1 MB | WebCrypto in the page | WASM in a worker |
 * | up to the buffer's limit | WebCrypto in a worker | WASM in a worker |
 * | larger | WASM in a worker | WASM in a worker |
 */
export class AdaptiveHasher implements Hasher {
  readonly #parts: AdaptiveHasherParts;
  readonly #budget: ByteBudget;
  readonly #shared = isChromium() ? new SharedReads() : undefined;
  #maxBufferedBytes: number;
  #workerEngine: Sha256['engine'] | undefined;

  constructor(parts: AdaptiveHasherParts) {
    this.#parts = parts;
    this.#maxBufferedBytes = parts.hasWebCrypto ? parts.maxBufferedBytes : -1;
    this.#budget = new ByteBudget(parts.maxBufferedBytes);
  }

  get mode(): HashMode {
    const { hasWebCrypto, pool, source } = this.#parts;
    return {
      hasWebCrypto,
      maxBufferedBytes: Math.max(0, this.#maxBufferedBytes),
      slices: source.engine ?? this.#workerEngine,
      worker: pool.status,
      workersLost: pool.lost,
    };
  }

  async hash(file: Blob, signal: AbortSignal): Promise<string> {
    const context = { runtime: this.#parts.runtime, signal };
    try {
      if (file.size > this.#maxBufferedBytes) return await this.#inSlices(file, context);
      return await this.#buffered(file, context);
    } catch (cause) {
      throw toReadError(cause, signal);
    }
  }

  async hashAndKeep(file: Blob, signal: AbortSignal): Promise<HashedBytes | undefined> {
    if (!this.#parts.hasWebCrypto) return undefined;
    try {
      const bytes = await this.#read(file, { runtime: this.#parts.runtime, signal });
      return { checksum: toHex(await crypto.subtle.digest('SHA-256', bytes)), bytes };
    } catch (cause) {
      throw toReadError(cause, signal);
    }
  }

  dispose(): void {
    this.#parts.pool.dispose();
  }

  async #buffered(file: Blob, context: HashContext): Promise<string> {
    const { pool } = this.#parts;
    const { size } = file;
    if (size > MAX_PAGE_DIGEST_BYTES && !(await pool.whenReady(context.signal))) {
      return await this.#inSlices(file, context);
    }
    const giveBack = await this.#budget.take(size, context.signal);
    let isMemory = false;
    try {
      const bytes = await this.#read(file, context);
      const channel = size > SMALL_BYTES ? pool.pick() : undefined;
      if (channel) return await digestInWorker(channel, bytes);
      if (size <= MAX_PAGE_DIGEST_BYTES) return await digestInPage(bytes);
    } catch (cause) {
      isMemory = isMemoryError(cause) && size > SLICE_BYTES;
      if (!isMemory && !isWorkerError(cause)) throw cause;
    } finally {
      giveBack();
    }
    const digest = await this.#inSlices(file, context);
    // The file can be read after all: it was the memory.
    if (isMemory) this.#maxBufferedBytes = Math.min(this.#maxBufferedBytes, Math.floor(size / 2));
    return digest;
  }

  #read(file: Blob, context: HashContext): Promise<ArrayBuffer> {
    return this.#shared?.read(file, context) ?? readBytes(file, file, context);
  }

  /** By a worker; on another one when it is lost, on the page when there is none. */
  async #inSlices(file: Blob, context: HashContext): Promise<string> {
    const { pool, source } = this.#parts;
    for (;;) {
      const channel = await pool.whenReady(context.signal);
      if (!channel) break;
      try {
        return await hashInWorker(channel, file, context, ({ engine }) => {
          this.#workerEngine = engine;
        });
      } catch (cause) {
        if (cause instanceof WorkerRefusalError) break;
        if (!(cause instanceof WorkerLostError)) throw cause;
      }
    }
    return await hashInPage(file, source, context);
  }
}

function isMemoryError(cause: unknown): boolean {
  return MEMORY_ERRORS.has((cause as { name?: string } | undefined)?.name ?? '');
}

function isWorkerError(cause: unknown): boolean {
  return cause instanceof WorkerLostError || cause instanceof WorkerRefusalError;
}
