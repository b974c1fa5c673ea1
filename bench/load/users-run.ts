import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DrivenPage, openPage } from './browser.ts';
import { DemoProcess } from './demo-process.ts';
import type { ImageSet } from './image-set.ts';
import type { LoadOptions } from './options.ts';
import { createStatusLine } from './status-line.ts';
import { isExact, verifyLibrary } from './verify-library.ts';

/** People at once. */
export const USERS = 5;
const SAMPLE_EVERY_MS = 500;

export interface UsersReport {
  readonly isSuccess: boolean;
  readonly files: number;
  /** Files that arrived exactly once, in the library of whoever sent them, and nowhere else. */
  readonly arrived: number;
  /** Until each one's files were searchable. */
  readonly searchableMs: readonly number[];
  readonly problems: readonly string[];
}

/** Several people, each with a browser, files and a library of their own, to one server at once. */
export async function runUsers(
  options: LoadOptions,
  sets: readonly ImageSet[],
  signal: AbortSignal,
): Promise<UsersReport> {
  const tempDir = await mkdtemp(path.join(tmpdir(), 'bulkhead-users-'));
  const dataDir = path.join(tempDir, 'data');
  await mkdir(dataDir);
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  const pages: DrivenPage[] = [];
  let demo: DemoProcess | undefined;
  try {
    const logFile = path.join(tempDir, 'server.log');
    demo = await DemoProcess.start({ dataDir, logFile }, (error) => ended.abort(error));
    const url = demo.baseUrl;
    for (const _ of sets) pages.push(await openPage({ url, isHeaded: options.headed, tempDir }));
    const startedMs = performance.now();
    await Promise.all(pages.map((page, at) => page.addFolder(sets[at]?.dir ?? '')));
    const searchableMs = await watch(pages, sets, startedMs, options.timeoutMs, stop);
    const libraries = await Promise.all(
      pages.map(async (page, at) => {
        const access = { baseUrl: url, cookie: await page.cookie() };
        return verifyLibrary(access, sets[at]?.files ?? [], await page.acknowledged());
      }),
    );
    const results = await Promise.all(pages.map((page) => page.result()));
    const problems = [
      ...pages.flatMap(({ errors }) => errors),
      ...results.flatMap(({ failures }) => failures),
      ...libraries.flatMap((library, at) =>
        isExact(library) ? [] : [`The library of person ${at + 1} is not what was sent`],
      ),
      ...(searchableMs.length < sets.length ? ['Not everybody was done in time'] : []),
    ];
    const files = sets.reduce((sum, set) => sum + set.files.length, 0);
    const arrived = libraries.reduce((sum, library) => sum + library.arrived, 0);
    const isSuccess = problems.length === 0 && arrived === files;
    return { isSuccess, files, arrived, searchableMs, problems };
  } finally {
    for (const page of pages) await page.close().catch(() => {});
    await demo?.stop();
    await rm(tempDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @returns when each of those who were done in time was done */
async function watch(
  pages: readonly DrivenPage[],
  sets: readonly ImageSet[],
  startedMs: number,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<number[]> {
  const line = createStatusLine();
  const doneMs = new Map<number, number>();
  while (doneMs.size < pages.length && performance.now() - startedMs < timeoutMs) {
    stop.throwIfAborted();
    const searchable: number[] = [];
    for (const [at, page] of pages.entries()) {
      const { snapshot } = await page.state();
      searchable.push(snapshot?.searchable ?? 0);
      const isDone = (snapshot?.searchable ?? 0) >= (sets[at]?.files.length ?? 0);
      if (isDone && !doneMs.has(at)) doneMs.set(at, performance.now() - startedMs);
    }
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    line.show(`${seconds} s · searchable, of each person: ${searchable.join(', ')}`);
    await sleep(SAMPLE_EVERY_MS, undefined, { signal: stop });
  }
  line.end(`${doneMs.size} of ${pages.length} people are done`);
  return [...doneMs.values()];
}
