import { expect, it } from 'vitest';
import { BUDGETS, budgetTable, measure, quotedTable } from '../../scripts/size.mjs';

const { sizes, core, adapters } = await measure();

it.each(sizes)('$what: at most $budgetKiB KiB gzipped', ({ kiB, budgetKiB }) => {
  expect(kiB).toBeGreaterThan(0);
  expect(kiB).toBeLessThanOrEqual(budgetKiB);
});

it('no budget is so wide that a tenth could be added unseen', () => {
  for (const { what, kiB, budgetKiB } of sizes) {
    // Small ones have half a KiB at least.
    expect(budgetKiB - kiB, what).toBeLessThan(Math.max(budgetKiB / 10, 0.5));
  }
});

it('a page does not wait for what only some pages need', () => {
  expect(Object.keys(core.lazyKiB).sort()).toEqual([
    'src/core/diagnosis/diagnose.ts',
    'src/hashing/sha256-js.ts',
    'src/hashing/sha256-wasm.ts',
    'src/storage/indexed-db-journal.ts',
    'src/storage/lease-locks.ts',
    'src/transports/bulkhead-multipart.ts',
  ]);
  for (const name of ['hash-wasm', '@noble/hashes', 'idb', 'src/testing', 'src/react']) {
    expect(Object.keys(core.parts).filter((part) => part.startsWith(name))).toEqual([]);
  }
});

it.each([
  ['s3PresignedAdapter', 'src/transports/s3-presigned-multipart.ts'],
  ['s3TemporaryCredentialsAdapter', 'src/transports/s3-multipart-requests.ts'],
])('a page does not wait for what %s needs for large files only', (name, late) => {
  const { files = [], lazyKiB = {} } = adapters[name] ?? {};
  expect(Object.keys(lazyKiB)).toContain(late);
  expect(files).toContain('src/transports/s3-late-multipart.ts');
  for (const file of [late, 'src/transports/s3-multipart.ts', 'src/transports/resume-tokens.ts']) {
    expect(files).not.toContain(file);
  }
});

it('each further adapter keeps its goal', () => {
  const further = BUDGETS.filter(({ aloneBudgetKiB }) => aloneBudgetKiB !== undefined);
  expect(further).toHaveLength(Object.keys(adapters).length);
  for (const { what, budgetKiB, goalKiB } of further) {
    expect(budgetKiB, what).toBeLessThanOrEqual(goalKiB ?? 0);
  }
});

it('README.md quotes the budgets', () => expect(quotedTable()).toBe(budgetTable()));
