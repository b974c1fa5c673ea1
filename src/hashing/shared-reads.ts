import { freeBuffer } from './free-buffer.ts';
import { type HashContext, patiently } from './patiently.ts';
import { limitOf, readBytes } from './read-bytes.ts';

/** A read costs the page and the browser's own process about 0.5 ms, whatever its size (Chromium 156). */
const MAX_SHARED_FILES = 32;
const MAX_SHARED_BYTES = 2 * 1024 * 1024;
const NEVER_ABORTED = new AbortController().signal;

interface Waiting {
  readonly file: Blob;
  readonly context: HashContext;
  readonly resolve: (bytes: ArrayBuffer | Promise<ArrayBuffer>) => void;
}

/**
 * Reads small files several at once, as one Blob of them: what is asked for while one read is under way
 * goes with the next. For Chromium only, which fails the read when one of the files was touched; elsewhere
 * one that has grown and one that was cut off could pass for each other. A read that fails, or hangs, is done
 * again file by file, so that each has its own outcome.
 */
export class SharedReads {
  readonly #waiting: Waiting[] = [];
  #isReading = false;

  /** @throws as `readBytes` */
  read(file: Blob, context: HashContext): Promise<ArrayBuffer> {
    if (file.size > MAX_SHARED_BYTES) return readBytes(file, file, context);
    return new Promise((resolve) => {
      this.#waiting.push({ file, context, resolve });
      if (!this.#isReading) void this.#readAll();
    });
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    // Whoever asks in the same turn comes along.
    await undefined;
    while (this.#waiting.length > 0) await readGroup(this.#takeGroup());
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
    return this.#waiting.splice(0, count);
  }
}

/** Settles each one of `group`. Never rejects. */
async function readGroup(group: readonly Waiting[]): Promise<void> {
  const parts = group.length > 1 ? await readTogether(group) : undefined;
  for (const [index, { file, context, resolve }] of group.entries()) {
    const bytes = parts?.[index];
    if (!bytes) resolve(readBytes(file, file, context));
    else if (context.signal.aborted) resolve(Promise.reject(context.signal.reason));
    else resolve(bytes);
  }
}

/** @returns undefined when that fails, or took too long, for whatever reason: each file has its own */
async function readTogether(group: readonly Waiting[]): Promise<ArrayBuffer[] | undefined> {
  const [first] = group;
  if (!first) return undefined;
  try {
    const all = new Blob(group.map(({ file }) => file));
    // One that is cancelled must not take the others along.
    const shared = { runtime: first.context.runtime, signal: NEVER_ABORTED };
    const bytes = await patiently(all.arrayBuffer(), limitOf(all.size), shared);
    if (bytes.byteLength !== all.size) return undefined;
    let at = 0;
    const parts = group.map(({ file }) => {
      const from = at;
      at += file.size;
      return bytes.slice(from, at);
    });
    freeBuffer(bytes);
    return parts;
  } catch {
    return undefined;
  }
}
