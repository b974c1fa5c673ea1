import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createJsSha256 } from '../../src/hashing/sha256-js.ts';
import { SHA256_VECTORS } from '../support/hash-vectors.ts';

const digestOf = (...parts: Uint8Array[]) => {
  const hash = createJsSha256();
  hash.begin();
  for (const part of parts) hash.update(part);
  return hash.end();
};
const expectedOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('SHA-256 in JavaScript', () => {
  it.each(SHA256_VECTORS)('hashes %s as the standard says', (_name, bytes, digest) => {
    expect(digestOf(bytes)).toBe(digest);
  });

  it('hashes every length up to some blocks', () => {
    const bytes = Uint8Array.from({ length: 300 }, (_, at) => (at * 7) % 256);
    for (let length = 0; length <= bytes.length; length += 1) {
      expect(digestOf(bytes.subarray(0, length)), `${length} bytes`).toBe(
        expectedOf(bytes.subarray(0, length)),
      );
    }
  });

  it('hashes any bytes, wherever they are cut and wherever in a buffer they begin', () => {
    const cuts = fc.tuple(fc.nat(400), fc.nat(400));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), cuts, (bytes, [first, second]) => {
        const [from, to] = [Math.min(first, second), Math.max(first, second)];
        const parts = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)];
        expect(digestOf(...parts)).toBe(expectedOf(bytes));
      }),
      { numRuns: 1_000 },
    );
  });

  it('hashes what is longer than 32 bits can count', () => {
    // A bit more than 2 to the 32 bits.
    const [slice, count] = [new Uint8Array(4 * 1024 * 1024), 129];
    const expected = createHash('sha256');
    const hash = createJsSha256();
    hash.begin();
    for (let at = 0; at < count; at += 1) {
      hash.update(slice);
      expected.update(slice);
    }
    expect(hash.end()).toBe(expected.digest('hex'));
  });

  it('forgets what came before when it begins anew', () => {
    const hash = createJsSha256();
    hash.begin();
    hash.update(new Uint8Array(100));
    hash.begin();
    hash.update(new TextEncoder().encode('abc'));
    expect(hash.end()).toBe(expectedOf(new TextEncoder().encode('abc')));
  });

  it('keeps files apart that are hashed in turns', () => {
    const [one, other] = [createJsSha256(), createJsSha256()];
    const bytes = Uint8Array.from({ length: 1_000 }, (_, at) => at % 256);
    one.begin();
    other.begin();
    for (let at = 0; at < 1_000; at += 100) {
      one.update(bytes.subarray(at, at + 100));
      other.update(bytes.subarray(900 - at, 1_000 - at));
    }
    expect(one.end()).toBe(expectedOf(bytes));
    const pieces = Array.from({ length: 10 }, (_, at) =>
      bytes.subarray(900 - at * 100, 1_000 - at * 100),
    );
    expect(other.end()).toBe(expectedOf(Buffer.concat(pieces)));
  });
});
