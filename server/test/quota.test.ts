import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { admitFiles, describeExceeded } from '../src/rate-limit/quota.ts';

const none = { openUploads: 0, files: 0, bytes: 0, freesAtMs: 0, firstExpiryMs: null };
const quotas = { maxOpenUploads: 10, maxFilesPerDay: 1000, maxBytesPerDay: 10 * 1024 ** 3 };

describe('the daily quotas', () => {
  test('admit files in their order, and smaller ones behind one that is too large', () => {
    const files = [4, 9, 5, 2].map((size) => ({ size }));
    const { admitted, exceeding, usage } = admitFiles(
      files,
      { ...none, files: 7, bytes: 1 },
      { maxFilesPerDay: 10, maxBytesPerDay: 12 },
    );
    expect(admitted.map(({ size }) => size)).toEqual([4, 5, 2]);
    expect(exceeding.map(({ size }) => size)).toEqual([9]);
    expect(usage).toEqual({ ...none, openUploads: 3, files: 10, bytes: 12 });
  });

  test('are never exceeded, and no file is left out that fits', () => {
    const size = fc.integer({ min: 1, max: 100 });
    fc.assert(
      fc.property(
        fc.array(fc.record({ size })),
        fc.record({ files: fc.nat(20), bytes: fc.nat(500) }),
        fc.record({
          maxFilesPerDay: fc.integer({ min: 1, max: 30 }),
          maxBytesPerDay: fc.integer({ min: 1, max: 600 }),
        }),
        (files, usage, limits) => {
          const before = { ...none, ...usage };
          const { admitted, exceeding } = admitFiles(files, before, limits);
          expect(admitted.length + exceeding.length).toBe(files.length);
          const count = usage.files + admitted.length;
          const bytes = admitted.reduce((sum, file) => sum + file.size, usage.bytes);
          if (admitted.length > 0) {
            expect(count).toBeLessThanOrEqual(limits.maxFilesPerDay);
            expect(bytes).toBeLessThanOrEqual(limits.maxBytesPerDay);
          }
          for (const file of exceeding) {
            const wouldFit =
              count < limits.maxFilesPerDay && bytes + file.size <= limits.maxBytesPerDay;
            expect(wouldFit).toBe(false);
          }
        },
      ),
    );
  });

  test('say which one is used up, and when there is room again', () => {
    const full = { ...none, files: 1000, freesAtMs: 9 * 3_600_000 };
    expect(describeExceeded(full, quotas, 0)).toBe(
      'At most 1,000 files a day are taken, and all of them are used up. More can be added in 9 hours',
    );
    const bytes = 10 * 1024 ** 3 - 5 * 1024 ** 2;
    expect(describeExceeded({ ...none, files: 3, bytes, freesAtMs: 20_000 }, quotas, 0)).toBe(
      'At most 10 GiB a day are taken, and 5 MiB are left. More can be added in a minute',
    );
    expect(describeExceeded({ ...none, bytes: 2 * bytes, freesAtMs: 3_000_000 }, quotas, 0)).toBe(
      'At most 10 GiB a day are taken, and 0 bytes are left. More can be added in 50 minutes',
    );
  });
});
