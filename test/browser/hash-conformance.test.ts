import { describe, expect, it } from 'vitest';
import { defaultHasher } from '../../src/hashing/default-hasher.ts';
import { subtleHasher } from '../../src/hashing/subtle-hasher.ts';
import { thisEngine } from '../support/engine-support.ts';
import { describeHasher } from '../support/hash-conformance.ts';
import { diskFile, patterned, zeros } from '../support/hash-files.ts';
import { createTestHasher, forbidWorkers } from '../support/hash-hashers.ts';

const MEGABYTE = 1024 * 1024;
/** Of a page without WebCrypto. */
const always = { slicesFromBytes: 0, keeps: false };
const DIGEST_OF_ZEROS = '5a937555b4853ad95365d9b319cf96579dfd4264b20bffb6d3745bea02adf31d';

describeHasher('WebCrypto in the page', () => subtleHasher, {
  slicesFromBytes: Infinity,
  keeps: false,
});
describeHasher(
  'WASM in the page',
  () => createTestHasher({ hasWebCrypto: false, startWorker: forbidWorkers }),
  always,
);
describeHasher(
  'JavaScript in the page',
  () => createTestHasher({ hasWebCrypto: false, startWorker: forbidWorkers, hasWasm: false }),
  always,
);
describeHasher('WASM in a worker', () => createTestHasher({ hasWebCrypto: false }), always);
describeHasher('WebCrypto, no workers', () => createTestHasher({ startWorker: forbidWorkers }), {
  slicesFromBytes: 8 * MEGABYTE,
  keeps: true,
});
describeHasher('the default', () => defaultHasher(), {
  slicesFromBytes: 128 * MEGABYTE,
  keeps: true,
});

// Chromium reads small files together. WebKitGTK reads zeros in place of what was cut off (docs/browsers.md).
if (thisEngine() !== 'webkit')
  it('never gives one file bytes of another, when some grew and some were cut off', async () => {
    const hasher = defaultHasher();
    const { signal } = new AbortController();
    const blobs = Array.from({ length: 6 }, (_, index) => patterned(20_000 + index));
    const files = await Promise.all(blobs.map((blob) => diskFile(blob)));
    // Together they are as long as before.
    await files[1]?.rewrite(new Uint8Array(20_001 + 100).fill(7));
    await files[3]?.rewrite(new Uint8Array(20_003 - 100).fill(9));
    const outcomes = await Promise.allSettled(files.map(({ file }) => hasher.hash(file, signal)));
    const expected = await Promise.all(blobs.map((blob) => hasher.hash(blob, signal)));
    for (const [index, outcome] of outcomes.entries()) {
      const code = expect.stringMatching(/^file_(changed|unreadable)$/);
      expect(outcome).toMatchObject(
        index === 1 || index === 3
          ? { status: 'rejected', reason: { code } }
          : { status: 'fulfilled', value: expected[index] },
      );
    }
    hasher.dispose();
  });

// Chromium hashes one that is on the disk, end to end: test/e2e/hash-large.test.ts.
if (thisEngine() !== 'chromium')
  describe('a file of more than 2 GB', () => {
    it('is hashed in a worker, in slices', { timeout: 180_000 }, async () => {
      const hasher = defaultHasher();
      // head -c 2200000000 /dev/zero | sha256sum
      const digest = await hasher.hash(zeros(2_200_000_000), new AbortController().signal);
      expect(digest).toBe(DIGEST_OF_ZEROS);
      expect(hasher.mode).toMatchObject({ slices: 'wasm', worker: 'running', workersLost: 0 });
      hasher.dispose();
    });
  });
