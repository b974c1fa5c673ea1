/**
 * SHA-256 as FIPS 180-4 has it, for pages that forbid WASM; its letters are the standard's. Written out,
 * because libraries for it weigh a quarter of the worker: docs/decisions/022-what-a-page-loads.md.
 */
import type { Sha256 } from './sha256.ts';

type State = [number, number, number, number, number, number, number, number];

const BLOCK_BYTES = 64;
/** Of the message's length in bits, with which the last block ends. */
const LENGTH_BYTES = 8;

const PRIMES: number[] = [];
for (let n = 2; PRIMES.length < 64; n += 1) {
  if (PRIMES.every((prime) => n % prime !== 0)) PRIMES.push(n);
}
/** Section 4.2.2. Right unless `Math.cbrt` errs by a thousand times what engines do. */
const K = Int32Array.from(PRIMES, (prime) => fractionBits(Math.cbrt(prime)));
/** Section 5.3.3. */
const INITIAL_STATE = PRIMES.slice(0, 8).map((prime) => fractionBits(Math.sqrt(prime))) as State;

/** A quarter to a half as fast as WASM, by engine, and permitted everywhere. */
export function createJsSha256(): Sha256 {
  let state: State = [...INITIAL_STATE];
  /** What came after the last full block. */
  const block = new Uint8Array(BLOCK_BYTES);
  let sizeBytes = 0;

  const update = (bytes: Uint8Array) => {
    const view = viewOf(bytes);
    for (let at = 0; at < bytes.length; ) {
      const filledBytes = sizeBytes % BLOCK_BYTES;
      const count = Math.min(BLOCK_BYTES - filledBytes, bytes.length - at);
      if (count === BLOCK_BYTES) {
        compress(state, view, at);
      } else {
        block.set(bytes.subarray(at, at + count), filledBytes);
        if (filledBytes + count === BLOCK_BYTES) compress(state, viewOf(block), 0);
      }
      at += count;
      sizeBytes += count;
    }
  };

  return {
    engine: 'js',
    begin() {
      state = [...INITIAL_STATE];
      sizeBytes = 0;
    },
    update,
    end() {
      // Section 5.1.1: a bit that is set, zeros, and the length at the end of a block.
      const restBytes = (sizeBytes + LENGTH_BYTES) % BLOCK_BYTES;
      const padding = new Uint8Array(BLOCK_BYTES - restBytes + LENGTH_BYTES);
      padding[0] = 0x80;
      viewOf(padding).setBigUint64(padding.length - LENGTH_BYTES, BigInt(sizeBytes) * 8n);
      update(padding);
      return state.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
    },
  };
}

/** Section 6.2.2, step 1. One for all: each block fills it anew. */
const w = new Int32Array(64);

/** Section 6.2.2: takes the block at `at` into the state. By index, because destructuring is slow here. */
function compress(state: State, view: DataView, at: number): void {
  for (let t = 0; t < 16; t += 1) w[t] = view.getInt32(at + t * 4);
  for (let t = 16; t < 64; t += 1) {
    const w2 = w[t - 2] as number;
    const w15 = w[t - 15] as number;
    const sigma1 = rotr(w2, 17) ^ rotr(w2, 19) ^ (w2 >>> 10);
    const sigma0 = rotr(w15, 7) ^ rotr(w15, 18) ^ (w15 >>> 3);
    w[t] = (sigma1 + (w[t - 7] as number) + sigma0 + (w[t - 16] as number)) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t += 1) {
    const sum1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
    const ch = (e & f) ^ (~e & g);
    const t1 = (h + sum1 + ch + (K[t] as number) + (w[t] as number)) | 0;
    const sum0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
    const maj = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + sum0 + maj) | 0;
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
  state[4] = (state[4] + e) | 0;
  state[5] = (state[5] + f) | 0;
  state[6] = (state[6] + g) | 0;
  state[7] = (state[7] + h) | 0;
}

function rotr(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The first 32 bits after the point. */
function fractionBits(root: number): number {
  return ((root % 1) * 2 ** 32) | 0;
}
