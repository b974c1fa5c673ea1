import { onTestFinished } from 'vitest';
import { SLICE_BYTES } from '../../src/hashing/read-slices.ts';

/** Bytes that differ from place to place, so that a slice too many, too few or swapped is noticed. */
export function patterned(sizeBytes: number): Blob {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 7 + (at >> 8)) % 256;
  return new Blob([bytes]);
}

/**
 * Larger than memory should hold: the same few megabytes of zeros, over and over. A block is as long as
 * a slice, because Chromium copies what a slice takes of the middle of a block.
 */
export function zeros(sizeBytes: number): Blob {
  const block = new Blob([new Uint8Array(SLICE_BYTES)]);
  const blocks = Array.from({ length: Math.ceil(sizeBytes / block.size) }, () => block);
  return new Blob(blocks).slice(0, sizeBytes);
}

/** Counts how much of the file was asked for, slice by slice. */
export function watchReads(file: Blob): { readonly askedBytes: number } {
  const reads = { askedBytes: 0 };
  const slice = file.slice.bind(file);
  Object.defineProperty(file, 'slice', {
    value: (from: number, to: number) => {
      const part = slice(from, to);
      reads.askedBytes += part.size;
      return part;
    },
  });
  return reads;
}

/** A file of the browser's own file system, which can be changed under the page's eyes. */
export interface DiskFile {
  readonly file: File;
  /** Writes other content, as another program would. */
  rewrite(content: BlobPart): Promise<void>;
  remove(): Promise<void>;
}

export async function diskFile(content: BlobPart): Promise<DiskFile> {
  const disk = await navigator.storage.getDirectory();
  const name = `hash-${crypto.randomUUID()}.jpg`;
  const handle = await disk.getFileHandle(name, { create: true });
  const rewrite = async (next: BlobPart) => {
    const stream = await handle.createWritable();
    await stream.write(new Blob([next]));
    await stream.close();
  };
  onTestFinished(() => disk.removeEntry(name).catch(() => {}));
  await rewrite(content);
  const file = await handle.getFile();
  // As the intake does. WebKit looks when it is first asked, and then keeps to it.
  if (file.size === 0) throw new Error('The file should not be empty.');
  return { file, rewrite, remove: () => disk.removeEntry(name) };
}
