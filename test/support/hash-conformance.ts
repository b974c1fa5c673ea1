import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Hasher } from '../../src/hashing/hasher.ts';
import { thisEngine } from './engine-support.ts';
import { diskFile, patterned, watchReads } from './hash-files.ts';
import { SHA256_VECTORS } from './hash-vectors.ts';

const { signal } = new AbortController();
const KILOBYTE = 1024;
const MEGABYTE = 1024 * KILOBYTE;

export interface HasherCapabilities {
  /** Files of this size and more are read in slices; Infinity: always whole. */
  readonly slicesFromBytes: number;
  /** Whether it gives a small file's bytes with its checksum. */
  readonly keeps: boolean;
}

/** Around blocks, pieces of the page's turns, slices, and the sizes at which the default changes its way. */
const SIZES = [
  ...[55, 56, 63, 64, 65, 127, 128, 4096],
  ...[256 * KILOBYTE, MEGABYTE, 4 * MEGABYTE, 8 * MEGABYTE].flatMap((size) => [
    size - 1,
    size,
    size + 1,
  ]),
  12 * MEGABYTE,
  9 * MEGABYTE + 7,
];

/** What the pipeline counts on in a hasher. Runs in browsers, with files of their own file system. */
export function describeHasher(
  name: string,
  create: () => Hasher,
  { slicesFromBytes, keeps }: HasherCapabilities,
): void {
  describe(name, () => {
    let hasher: Hasher;
    beforeAll(() => {
      hasher = create();
    });
    afterAll(() => hasher.dispose?.());

    it.each(SHA256_VECTORS)('hashes %s as the standard says', async (_name, bytes, digest) => {
      expect(await hasher.hash(new Blob([bytes]), signal)).toBe(digest);
    });

    it.each(SIZES)('hashes %i bytes as they are, wherever a slice ends', async (sizeBytes) => {
      const blob = patterned(sizeBytes);
      expect(await hasher.hash(blob, signal)).toBe(await expectedDigest(blob));
    });

    const small = [1, 5_000, 64 * KILOBYTE];
    if (keeps)
      it.each(small)(
        'gives the bytes of a file of %i bytes with its checksum',
        async (sizeBytes) => {
          const blob = patterned(sizeBytes);
          const kept = await hasher.hashAndKeep?.(blob, signal);
          expect(kept?.checksum).toBe(await expectedDigest(blob));
          expect(kept && new Uint8Array(kept.bytes)).toEqual(
            new Uint8Array(await blob.arrayBuffer()),
          );
        },
      );
    else
      it.each(small)('keeps no bytes of a file of %i bytes', async (sizeBytes) => {
        expect(await hasher.hashAndKeep?.(patterned(sizeBytes), signal)).toBeUndefined();
      });

    it('hashes many files at once without mixing them up', async () => {
      const sizes = [0, 1, 70_000, MEGABYTE + 1, 3 * MEGABYTE, 4 * MEGABYTE + 5, 9 * MEGABYTE];
      const blobs = Array.from({ length: 21 }, (_, index) =>
        patterned((sizes[index % sizes.length] ?? 0) + index),
      );
      const together = await Promise.all(blobs.map((blob) => hasher.hash(blob, signal)));
      const expected = await Promise.all(blobs.map(expectedDigest));
      expect(together).toEqual(expected);
      expect(new Set(together).size).toBe(blobs.length);
    });

    it('does not begin when it was cancelled', async () => {
      const file = patterned(5 * MEGABYTE);
      const reads = watchReads(file);
      const cancelled = hasher.hash(file, AbortSignal.abort());
      await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
      expect(reads.askedBytes).toBe(0);
    });

    it('ends at once when it is cancelled, and hashes other files as before', async () => {
      const controller = new AbortController();
      const sizes = [200 * KILOBYTE, 2 * MEGABYTE, 20 * MEGABYTE];
      const hashing = sizes.map((size) => hasher.hash(patterned(size), controller.signal));
      controller.abort();
      const outcomes = await Promise.allSettled(hashing);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } });
      }
      const next = patterned(2 * MEGABYTE + 3);
      expect(await hasher.hash(next, signal)).toBe(await expectedDigest(next));
    });

    if (Number.isFinite(slicesFromBytes))
      it('stops reading when it is cancelled', async () => {
        const controller = new AbortController();
        const file = new Blob(Array<Blob>(64).fill(patterned(8 * MEGABYTE)));
        const reads = watchReads(file);
        const hashing = hasher.hash(file, controller.signal);
        await expect.poll(() => reads.askedBytes).toBeGreaterThan(20 * MEGABYTE);
        controller.abort();
        await expect(hashing).rejects.toMatchObject({ code: 'cancelled' });
        const asked = reads.askedBytes;
        // Another file has had its turn: the first one would have gone on meanwhile.
        await hasher.hash(patterned(9 * MEGABYTE), signal);
        expect(reads.askedBytes).toBe(asked);
        expect(asked).toBeLessThan(file.size / 2);
      });

    it.each([50_000, 2 * MEGABYTE, 9 * MEGABYTE])(
      'says that a file of %i bytes is gone',
      async (sizeBytes) => {
        const { file, remove } = await diskFile(patterned(sizeBytes));
        await remove();
        await expect(hasher.hash(file, signal)).rejects.toMatchObject({ code: 'file_unreadable' });
      },
    );

    // WebKitGTK 2.50 reads zeros in place of what was cut off, at the old length: nothing tells (docs/browsers.md).
    const cutOff = thisEngine() === 'webkit' ? [] : [50_000, 9 * MEGABYTE];
    it.each(cutOff)(
      'never gives a digest of a file of %i bytes that was cut off',
      async (sizeBytes) => {
        const { file, rewrite } = await diskFile(patterned(sizeBytes));
        await rewrite(patterned(sizeBytes / 2));
        const failure = await hasher.hash(file, signal).catch((error: unknown) => error);
        expect(failure).toMatchObject({
          code: expect.stringMatching(/^file_(changed|unreadable)$/),
        });
      },
    );

    it('says that the permission ended', async () => {
      const file = patterned(10);
      const denied = () => Promise.reject(new DOMException('denied', 'NotAllowedError'));
      Object.defineProperty(file, 'arrayBuffer', { value: denied });
      Object.defineProperty(file, 'slice', { value: () => file });
      await expect(hasher.hash(file, signal)).rejects.toMatchObject({
        code: 'file_unreadable',
        message: expect.stringContaining('permission'),
      });
    });
  });
}

/** By WebCrypto in one piece. */
async function expectedDigest(blob: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
