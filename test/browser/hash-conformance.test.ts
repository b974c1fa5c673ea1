import { describe, expect, it } from 'vitest';
import { defaultHasher } from '../../src/hashing/default-hasher.ts';
import { subtleHasher } from '../../src/hashing/subtle-hasher.ts';
import { describeHasher } from '../support/hash-conformance.ts';
import { zeros } from '../support/hash-files.ts';
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
