import type { Browser } from 'playwright';
import type { PageScripts } from '../support/bundle.ts';
import { type FileSet, filesOf } from '../support/files-on-disk.ts';
import { openHashPage } from './browser.ts';
import { FILE_SETS } from './file-sets.ts';
import type { HashOptions } from './options.ts';
import { HASHERS, type HasherName, type HashMeasure } from './page/measures.ts';

/** One way to hash one set of files. */
export interface HasherResult {
  readonly hasher: HasherName;
  /** Of every round, in megabytes (10^6) a second. */
  readonly speeds: readonly number[];
  /** Longest time between two turns of the main thread. */
  readonly longestGapMs: number;
  readonly tasksOver50Ms: number;
}

export interface SetResult {
  readonly set: FileSet;
  readonly results: readonly HasherResult[];
  readonly mode: string;
}

/** A hasher gave other digests than Node. */
export class WrongDigestError extends Error {
  override readonly name = 'WrongDigestError';
}

/** Measures every set, each in a page of its own; the hashers take turns, so that noise meets all. */
export async function runHash(
  browser: Browser,
  scripts: PageScripts,
  { sets, rounds }: HashOptions,
  onStep: (step: string) => void,
): Promise<SetResult[]> {
  const found: SetResult[] = [];
  for (const set of FILE_SETS.filter(({ name }) => sets.includes(name))) {
    onStep(`${set.name}: making files`);
    const { paths, digest } = await filesOf(set);
    const page = await openHashPage(browser, scripts);
    try {
      await page.locator('input').setInputFiles([...paths]);
      const speeds = new Map<HasherName, number[]>(HASHERS.map((hasher) => [hasher, []]));
      // The first one warms up: code, workers and the file system's cache.
      for (let round = 0; round <= rounds; round += 1) {
        for (const hasher of HASHERS) {
          onStep(`${set.name}: ${hasher}, round ${round} of ${rounds}`);
          const measure = await page.evaluate((name) => window.hashBench?.measure(name), hasher);
          const speed = speedOf(measure, hasher, digest);
          if (round > 0) speeds.get(hasher)?.push(speed);
        }
      }
      const results: HasherResult[] = [];
      for (const hasher of HASHERS) {
        onStep(`${set.name}: ${hasher}, watching the page`);
        const times = await page.evaluate((name) => window.hashBench?.watch(name), hasher);
        results.push({
          hasher,
          speeds: speeds.get(hasher) ?? [],
          longestGapMs: times?.longestGapMs ?? Number.NaN,
          tasksOver50Ms: times?.tasksOver50Ms ?? Number.NaN,
        });
      }
      const mode = await page.evaluate(() => window.hashBench?.mode() ?? '');
      found.push({ set, results, mode });
    } finally {
      await page.close();
    }
  }
  return found;
}

function speedOf(measure: HashMeasure | undefined, hasher: HasherName, digest: string): number {
  if (!measure) throw new WrongDigestError('The page has lost its bench');
  if (measure.digest !== '' && measure.digest !== digest) {
    throw new WrongDigestError(`${hasher} gave other digests than Node`);
  }
  return measure.totalBytes / 1e6 / (measure.totalMs / 1_000);
}
