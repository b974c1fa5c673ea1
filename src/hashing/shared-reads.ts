import { freeBuffer } from './free-buffer.ts';
import { type HashContext, patiently } from './patiently.ts';
import { readBytes } from './read-bytes.ts';

/** A read costs the page and the browser's own process about 0.5 ms, whatever its size (Chromium 156). */
const MAX_SHARED_FILES = 64;
const MAX_SHARED_BYTES = 2 * 1024 * 1024;
/** A disk gives so many bytes in milliseconds. */
const PATIENCE_MS = 3_000;
/** One that is cancelled must not take the others along. */
const NEVER_ABORTED = new AbortController().signal;

interface Waiting {
  readonly file: Blob;
  readonly context: HashContext;
  readonly settle: (bytes: ArrayBuffer | Promise<ArrayBuffer>) => void;
}

/**
 * Reads small files several at once, as one Blob of them: what is asked for while one read is under way
 * goes with the next. For Chromium only, which fails the read when one of the files was touched; elsewhere
 * one that has grown and one that was cut off could pass for each other. After a read that fails each of its
 * files is read by itself, so that it has its own outcome; after one that takes too long, all are from then on:
 * the drive is slow, or a file hangs, and the others must not wait for it.
 */
export class SharedReads {
  readonly #waiting: Waiting[] = [];
  readonly #alone = new WeakSet<Blob>();
  #isReading = false;
  #isSlow = false;

  /** @throws as `readBytes` */
  read(file: Blob, context: HashContext): Promise<ArrayBuffer> {
    if (this.#isSlow || file.size > MAX_SHARED_BYTES || this.#alone.has(file)) {
      return readBytes(file, file, context);
    }
    const { signal } = context;
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => reject(signal.reason);
      const settle = (bytes: ArrayBuffer | Promise<ArrayBuffer>) => {
        signal.removeEventListener('abort', onAbort);
        resolve(bytes);
      };
      signal.addEventListener('abort', onAbort);
      this.#waiting.push({ file, context, settle });
      if (!this.#isReading) void this.#readAll();
    });
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    // Whoever asks in the same turn comes along.
    await undefined;
    while (this.#waiting.length > 0) await this.#readGroup(this.#takeGroup());
    this.#isReading = false;
  }

  #takeGroup(): Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const { file } of this.#waiting) {
      bytes += file.size;
      if (count > 0 && (count === MAX_SHARED_FILES || bytes > MAX_SHARED_BYTES)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count).filter(({ context }) => !context.signal.aborted);
  }

  /** Settles each one of `group`. Never rejects. */
  async #readGroup(group: readonly Waiting[]): Promise<void> {
    const [first] = group;
    const isShared = group.length > 1 && !this.#isSlow;
    const parts = first && isShared ? await this.#readTogether(group, first.context) : undefined;
    for (const [index, { file, context, settle }] of group.entries()) {
      const bytes = parts?.[index];
      if (bytes) settle(bytes);
      else {
        if (isShared) this.#alone.add(file);
        settle(readBytes(file, file, context));
      }
    }
  }

  /** @returns undefined when that fails, or took too long, for whatever reason: each file has its own */
  async #readTogether(
    group: readonly Waiting[],
    { runtime }: HashContext,
  ): Promise<ArrayBuffer[] | undefined> {
    const startMs = runtime.now();
    try {
      const all = new Blob(group.map(({ file }) => file));
      const shared = { runtime, signal: NEVER_ABORTED };
      const bytes = await patiently(all.arrayBuffer(), PATIENCE_MS, shared);
      let at = 0;
      const parts = group.map(({ file }) => {
        const from = at;
        at += file.size;
        return bytes.slice(from, at);
      });
      const isWhole = bytes.byteLength === at && all.size === at;
      freeBuffer(bytes);
      return isWhole ? parts : undefined;
    } catch {
      this.#isSlow ||= runtime.now() - startMs >= PATIENCE_MS;
      return undefined;
    }
  }
}
