import { describe, expect, it } from 'vitest';
import { defaultHasher } from '../../src/hashing/default-hasher.ts';
import type { Hasher } from '../../src/hashing/hasher.ts';
import { subtleHasher } from '../../src/hashing/subtle-hasher.ts';
import { wasmHasher } from '../../src/hashing/wasm-hasher.ts';

const { signal } = new AbortController();
const MEGABYTE = 1024 * 1024;

/** FIPS 180-4 examples and the NIST long message. */
const VECTORS: readonly [name: string, content: string, checksum: string][] = [
  ['nothing', '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['abc', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'two blocks',
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  [
    'a million a',
    'a'.repeat(1_000_000),
    'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
  ],
];

function patterned(sizeBytes: number): Blob {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 1) bytes[at] = (at * 7 + (at >> 8)) % 256;
  return new Blob([bytes]);
}

function describeHasher(name: string, hasher: Hasher): void {
  describe(name, () => {
    it.each(VECTORS)('hashes %s as the standard says', async (_name, content, checksum) => {
      expect(await hasher.hash(new Blob([content]), signal)).toBe(checksum);
    });

    it.each([55, 56, 63, 64, 65, 4096, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1, 3 * MEGABYTE + 7])(
      'agrees with WebCrypto on %i bytes',
      async (sizeBytes) => {
        const blob = patterned(sizeBytes);
        const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
        const expected = Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, '0'));
        expect(await hasher.hash(blob, signal)).toBe(expected.join(''));
      },
    );

    it('hashes many files at once without mixing them up', async () => {
      const blobs = Array.from({ length: 12 }, (_, index) => patterned(MEGABYTE + index));
      const together = await Promise.all(blobs.map((blob) => hasher.hash(blob, signal)));
      for (const [index, blob] of blobs.entries()) {
        expect(together[index]).toBe(await hasher.hash(blob, signal));
      }
      expect(new Set(together).size).toBe(12);
    });

    it('does not begin when it was cancelled', async () => {
      await expect(hasher.hash(patterned(10), AbortSignal.abort())).rejects.toThrow();
    });

    it('says when a file cannot be read', async () => {
      const gone = patterned(10);
      const fail = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
      Object.defineProperty(gone, 'arrayBuffer', { value: fail });
      Object.defineProperty(gone, 'slice', { value: () => gone });
      await expect(hasher.hash(gone, signal)).rejects.toMatchObject({ code: 'file_unreadable' });
    });
  });
}

describeHasher('WebCrypto', subtleHasher);
describeHasher('WASM', wasmHasher);
describeHasher('the default', defaultHasher());
