import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ObjectPromise } from './blob-store.ts';

/** Bytes that were to be stored are not the promised ones. */
export class ChecksumError extends Error {
  override readonly name = 'ChecksumError';
}

/**
 * Passes bytes on and holds the last ones back until all are known to be the promised ones: for stores that
 * check nothing, whose write fails with the source.
 * @throws {ChecksumError}
 */
export async function* verified(
  { key, sizeBytes, checksum }: Pick<ObjectPromise, 'key' | 'sizeBytes' | 'checksum'>,
  source: Uint8Array | Readable,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256');
  let received = 0;
  let held: Uint8Array | undefined;
  const chunks = source instanceof Uint8Array ? [source] : (source as AsyncIterable<Uint8Array>);
  for await (const chunk of chunks) {
    received += chunk.byteLength;
    if (received > sizeBytes) break;
    hash.update(chunk);
    if (held) yield held;
    held = chunk;
  }
  if (received !== sizeBytes || hash.digest('hex') !== checksum) {
    throw new ChecksumError(`Other bytes than promised were to be stored at ${key}`);
  }
  if (held) yield held;
}
