import type { FileSet } from '../support/files-on-disk.ts';

/** Enough of each for about a second; 1.2 GB in all. */
export const FILE_SETS: readonly FileSet[] = [
  { name: '50k', count: 2_000, sizeBytes: 50_000 },
  { name: '500k', count: 400, sizeBytes: 500_000 },
  { name: '5m', count: 60, sizeBytes: 5_000_000 },
  { name: '50m', count: 8, sizeBytes: 50_000_000 },
  { name: '200m', count: 1, sizeBytes: 200_000_000 },
];
