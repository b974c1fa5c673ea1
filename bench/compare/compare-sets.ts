import type { FileSet } from '../support/files-on-disk.ts';
import type { ClientName } from './clients.ts';

/** One client beside another, by the time that both took. */
export interface Goal {
  readonly of: ClientName;
  /** Several: the quickest of them. */
  readonly beside: readonly ClientName[];
  /** So many times as fast, at least. */
  readonly atLeast: number;
}

/** Files to send, and what is promised of them. */
export interface CompareSet extends FileSet {
  readonly title: string;
  /** The servers' answers come so much later. */
  readonly delayMs: number;
  readonly goals: readonly Goal[];
}

const KIB = 1024;

export const COMPARE_SETS: readonly CompareSet[] = [
  {
    name: 'photos',
    title: '2,000 × 256 KB',
    count: 2_000,
    sizeBytes: 256 * KIB,
    delayMs: 0,
    goals: [
      { of: 'ours', beside: ['loop-hash'], atLeast: 0.95 },
      { of: 'ours', beside: ['loop-batch'], atLeast: 0.8 },
      { of: 'ours', beside: ['uppy-s3'], atLeast: 3 },
      { of: 'ours', beside: ['uppy-golden'], atLeast: 5 },
      { of: 'forms', beside: ['loop-hash'], atLeast: 0.95 },
      { of: 'forms', beside: ['loop-batch'], atLeast: 0.8 },
      { of: 'forms', beside: ['uppy-s3'], atLeast: 3 },
      { of: 'forms', beside: ['uppy-golden'], atLeast: 5 },
      { of: 'packs', beside: ['loop-hash'], atLeast: 0.95 },
      { of: 'packs', beside: ['loop-batch'], atLeast: 0.8 },
      { of: 'packs', beside: ['uppy-s3'], atLeast: 3 },
      { of: 'packs', beside: ['uppy-golden'], atLeast: 5 },
    ],
  },
  {
    name: 'small',
    title: '10,000 × 4 KB',
    count: 10_000,
    sizeBytes: 4 * KIB,
    delayMs: 0,
    goals: [
      { of: 'packs', beside: ['loop-batch', 'loop-each', 'loop-hash'], atLeast: 3 },
      { of: 'packs', beside: ['uppy-xhr'], atLeast: 15 },
    ],
  },
  {
    name: 'large',
    title: '200 × 5 MB',
    count: 200,
    sizeBytes: 5 * KIB ** 2,
    delayMs: 0,
    goals: [],
  },
  {
    name: 'distant',
    title: '1,000 × 64 KB at 40 ms',
    count: 1_000,
    sizeBytes: 64 * KIB,
    delayMs: 40,
    goals: [],
  },
];
