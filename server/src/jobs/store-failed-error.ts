import { BlobNotFoundError } from '../blobs/blob-store.ts';
import { ShortReadError } from './read-object.ts';

/** The store did not do what it was asked to: it is down, full, or refuses. No image is to blame. */
export class StoreFailedError extends Error {
  override readonly name = 'StoreFailedError';
}

/**
 * Names the store's failures as such.
 * @throws {BlobNotFoundError | ShortReadError} as they are: the store answered, and it is this object.
 */
export async function fromStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof BlobNotFoundError || cause instanceof ShortReadError) throw cause;
    throw new StoreFailedError('The object store failed', { cause });
  }
}
