import type { BlobStore } from '../blobs/blob-store.ts';

/** The store gave other bytes than were finalized: its own trouble, which may pass. */
export class ShortReadError extends Error {
  override readonly name = 'ShortReadError';
}

/**
 * Reads a whole object, which the upload limit keeps small enough for memory. Fewer or more bytes
 * than expected is an error: a read that broke off must not be taken for a damaged image.
 */
export async function readObject(
  blobs: BlobStore,
  key: string,
  signal: AbortSignal,
  expectedBytes?: number,
): Promise<Uint8Array> {
  const stream = await blobs.read(key);
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) {
    signal.throwIfAborted();
    chunks.push(chunk as Uint8Array);
  }
  const bytes = Buffer.concat(chunks);
  if (expectedBytes !== undefined && bytes.length !== expectedBytes) {
    throw new ShortReadError(`The object store returned ${bytes.length} of ${expectedBytes} bytes`);
  }
  return bytes;
}
