import type { Browser } from 'playwright';
import { type BenchPage, openBenchPage } from './browser.ts';
import type { IntakeOptions } from './options.ts';
import type { AddMeasure, EventMeasure, StreamMeasure } from './page/measures.ts';
import type { TaskTimes } from './page/task-probe.ts';
import { createPhotoFolder } from './photo-folder.ts';

/** How many files are dropped as a folder on disk. */
export const DROPPED_FILES = 10_000;

/** One uploader with one number of files: the best of all runs. */
export interface IntakeCase extends AddMeasure, EventMeasure {
  readonly uploader: 'bulkhead' | 'uppy';
  readonly files: number;
  /** What the uploader holds beside the files, after a collection. */
  readonly heapBytes: number;
}

/** Adding while uploads run, against a backend that answers at once. */
export interface RunningCase extends AddMeasure {
  readonly files: number;
}

export interface IntakeMeasures {
  readonly cases: readonly IntakeCase[];
  readonly running: readonly RunningCase[];
  readonly drop: StreamMeasure;
  /** Longest gaps of a page that did nothing, one for each number of files. */
  readonly idleGapsMs: readonly number[];
  readonly uppyVersion: string;
  readonly profile: object | undefined;
}

/** The uploader did not take what it was given. */
export class IntakeError extends Error {
  override readonly name = 'IntakeError';
}

/** Measures everything, one page at a time. */
export async function runIntake(
  browser: Browser,
  script: string,
  options: IntakeOptions,
  onStep: (step: string) => void,
): Promise<IntakeMeasures> {
  const { files, runs, uppyFiles } = options;
  const inPage = async <T>(work: (page: BenchPage) => Promise<T>): Promise<T> => {
    const page = await openBenchPage(browser, script);
    try {
      return await work(page);
    } finally {
      await page.close();
    }
  };
  const best = async <T extends TaskTimes>(
    step: string,
    work: (page: BenchPage) => Promise<T>,
  ): Promise<T> => {
    let found: T | undefined;
    for (let run = 1; run <= runs; run += 1) {
      onStep(`${step}, run ${run} of ${runs}`);
      found = lower(found, await inPage(work));
    }
    if (!found) throw new IntakeError('No run was asked for');
    return found;
  };

  const cases: IntakeCase[] = [];
  const running: RunningCase[] = [];
  const idleGapsMs: number[] = [];
  for (const count of files) {
    for (const uploader of ['bulkhead', 'uppy'] as const) {
      if (uploader === 'uppy' && count > uppyFiles) continue;
      const measured = await best(`${uploader}, ${count} files`, (page) =>
        measureCase(page, uploader, count),
      );
      cases.push({ uploader, files: count, ...measured });
    }
    const measured = await best(`bulkhead while it uploads, ${count} files`, (page) =>
      measureRunning(page, count),
    );
    running.push({ files: count, ...measured });
    const idle = await inPage(({ page }) => page.evaluate(() => window.intakeBench?.idle()));
    idleGapsMs.push(idle?.longestGapMs ?? 0);
  }
  const drop = await best(`a folder of ${DROPPED_FILES} files`, measureDrop);
  const largest = files.at(-1) ?? 0;
  const profile = options.profile === undefined ? undefined : await inPage(profileOf(largest));
  const uppyVersion = await inPage(({ page }) =>
    page.evaluate(() => window.intakeBench?.uppyVersion ?? 'unknown'),
  );
  return { cases, running, drop, idleGapsMs, uppyVersion, profile };
}

async function measureCase(
  { page, heapBytes }: BenchPage,
  uploader: IntakeCase['uploader'],
  count: number,
) {
  await page.evaluate((name) => window.intakeBench?.warmUp(name), uploader);
  await page.evaluate((files) => window.intakeBench?.makeFiles(files), count);
  const heapBefore = await heapBytes();
  const added = await page.evaluate(
    (name) =>
      name === 'uppy'
        ? window.intakeBench?.addToUppy()
        : window.intakeBench?.addToBulkhead({ autoStart: false }),
    uploader,
  );
  const heapAfter = await heapBytes();
  const events = await page.evaluate(
    (name) =>
      name === 'uppy' ? window.intakeBench?.uppyEvents() : window.intakeBench?.bulkheadEvents(),
    uploader,
  );
  if (!events) throw new IntakeError('The page has lost its bench');
  return { ...checked(added, count), ...events, heapBytes: heapAfter - heapBefore };
}

async function measureRunning({ page }: BenchPage, count: number): Promise<AddMeasure> {
  await page.evaluate((files) => window.intakeBench?.makeFiles(files), count);
  const added = await page.evaluate(() => window.intakeBench?.addToBulkhead({ autoStart: true }));
  return checked(added, count);
}

async function measureDrop({ page, drop }: BenchPage): Promise<StreamMeasure> {
  const folder = await createPhotoFolder(DROPPED_FILES);
  try {
    const taken = page.evaluate(() => window.intakeBench?.takeDrop());
    await drop(folder.dir);
    return checked(await taken, DROPPED_FILES);
  } finally {
    await folder.remove();
  }
}

function profileOf(count: number) {
  return async ({ page, profile }: BenchPage): Promise<object> => {
    await page.evaluate((files) => window.intakeBench?.makeFiles(files), count);
    return await profile(async () => {
      await page.evaluate(() => window.intakeBench?.addToBulkhead({ autoStart: false }));
    });
  };
}

function checked<T extends { readonly added: number }>(measure: T | undefined, count: number): T {
  if (measure?.added !== count) {
    throw new IntakeError(`${measure?.added} of ${count} files were taken in`);
  }
  return measure;
}

/** The lower of each figure: what a busy machine adds to a run is noise, and never negative. */
function lower<T extends TaskTimes>(a: T | undefined, b: T): T {
  if (!a) return b;
  const entries = Object.entries(b).map(([key, value]) => {
    const other = a[key as keyof T];
    return [key, typeof value === 'number' ? Math.min(value, Number(other)) : value];
  });
  return Object.fromEntries(entries);
}
