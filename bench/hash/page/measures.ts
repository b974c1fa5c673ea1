import type { TaskTimes } from '../../intake/page/task-probe.ts';

/** Ways to read or hash the files that were chosen. */
export const HASHERS = [
  'ours',
  'subtle, one at a time',
  'subtle, four at once',
  'hash-wasm, slices',
  'hash-wasm, streams',
  'reading alone',
] as const;

export type HasherName = (typeof HASHERS)[number];

/** All files once. */
export interface HashMeasure {
  readonly totalMs: number;
  readonly totalBytes: number;
  /** Digest of all digests; empty when nothing was hashed. */
  readonly digest: string;
}

/** What the driver calls, as `window.hashBench`. */
export interface HashBench {
  measure(hasher: HasherName): Promise<HashMeasure>;
  /** The same, watching the main thread: slower, because watching takes turns of its own. */
  watch(hasher: HasherName): Promise<TaskTimes>;
  /** How ours hashed. */
  mode(): string;
}

declare global {
  interface Window {
    hashBench?: HashBench;
  }
}
