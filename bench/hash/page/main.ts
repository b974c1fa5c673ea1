import { createSHA256, type IHasher } from 'hash-wasm';
import { defaultHasher } from '../../../src/hashing/default-hasher.ts';
import { toHex } from '../../../src/hashing/hasher.ts';
import { watchTasks } from '../../intake/page/task-probe.ts';
import type { HashBench, HasherName, HashMeasure } from './measures.ts';

/** As many as the pipeline hashes. */
const PARALLEL = 4;
const WASM_SLICE_BYTES = 4 * 1024 * 1024;

const { signal } = new AbortController();
const ours = defaultHasher();
/** Made once for each lane: an instance takes longer to make than a small file to hash. */
const wasm: Promise<readonly IHasher[]> = Promise.all(
  Array.from({ length: PARALLEL }, () => createSHA256()),
);

interface Way {
  readonly parallel: number;
  hash(file: File, lane: number): Promise<string>;
}

/** Each as its users would write it for speed. */
const WAYS: Readonly<Record<HasherName, Way>> = {
  ours: { parallel: PARALLEL, hash: (file) => ours.hash(file, signal) },
  'subtle, one at a time': { parallel: 1, hash: hashBySubtle },
  'subtle, four at once': { parallel: PARALLEL, hash: hashBySubtle },
  'hash-wasm, slices': { parallel: PARALLEL, hash: hashSlices },
  'hash-wasm, streams': { parallel: PARALLEL, hash: hashStream },
  'reading alone': {
    parallel: PARALLEL,
    async hash(file) {
      await file.arrayBuffer();
      return '';
    },
  },
};

async function hashBySubtle(file: File): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
}

async function laneOf(lane: number): Promise<IHasher> {
  const hash = (await wasm)[lane];
  if (!hash) throw new RangeError(`There is no lane ${lane}`);
  return hash.init();
}

/** Reads the next slice while it hashes one. */
async function hashSlices(file: File, lane: number): Promise<string> {
  const hash = await laneOf(lane);
  const read = (at: number) => file.slice(at, at + WASM_SLICE_BYTES).arrayBuffer();
  let reading = read(0);
  for (let at = 0; at < file.size; at += WASM_SLICE_BYTES) {
    const bytes = await reading;
    if (at + WASM_SLICE_BYTES < file.size) reading = read(at + WASM_SLICE_BYTES);
    hash.update(new Uint8Array(bytes));
  }
  return hash.digest('hex');
}

async function hashStream(file: File, lane: number): Promise<string> {
  const hash = await laneOf(lane);
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return hash.digest('hex');
    hash.update(value);
  }
}

function chosen(): readonly File[] {
  return Array.from(document.querySelector('input')?.files ?? []);
}

async function measure(name: HasherName): Promise<HashMeasure> {
  const { parallel, hash } = WAYS[name];
  const files = chosen();
  const digests: string[] = [];
  let next = 0;
  const runLane = async (_: unknown, lane: number) => {
    for (let index = next++; index < files.length; index = next++) {
      const file = files[index];
      if (file) digests[index] = await hash(file, lane);
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: parallel }, runLane));
  const totalMs = performance.now() - startedMs;
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  if (digests.every((digest) => digest === '')) return { totalMs, totalBytes, digest: '' };
  const joined = new TextEncoder().encode(digests.join());
  return { totalMs, totalBytes, digest: toHex(await crypto.subtle.digest('SHA-256', joined)) };
}

const bench: HashBench = {
  measure,
  async watch(name) {
    const stop = watchTasks();
    await measure(name);
    return await stop();
  },
  mode() {
    const { worker, workersLost, slices = 'no' } = ours.mode;
    return `worker ${worker}, ${workersLost} lost, ${slices} slices`;
  },
};

window.hashBench = bench;
