import type { HashContext } from './patiently.ts';
import { readBytes } from './read-bytes.ts';

/** Larger slices are hardly faster, smaller ones much slower; see docs/hashing.md. */
export const SLICE_BYTES = 4 * 1024 * 1024;

export interface Slice {
  readonly bytes: ArrayBuffer;
  readonly isLast: boolean;
}

/**
 * A file in slices: while one is used, the next is read. An empty file is one empty slice.
 *
 * @throws as {@link readBytes}
 */
export async function* readSlices(file: Blob, context: HashContext): AsyncGenerator<Slice> {
  const read = (from: number) => {
    const part = file.slice(from, Math.min(from + SLICE_BYTES, file.size));
    const reading = readBytes(file, part, context);
    // Its failure belongs to whoever takes the slice, and nobody may.
    reading.catch(() => {});
    return reading;
  };
  let from = 0;
  let reading = read(from);
  for (;;) {
    const bytes = await reading;
    from += SLICE_BYTES;
    const isLast = from >= file.size;
    if (!isLast) reading = read(from);
    yield { bytes, isLast };
    if (isLast) return;
  }
}
