import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from './backend.ts';
import { type DrivenPage, openPage } from './browser.ts';
import { Cluster } from './cluster/cluster.ts';
import { DemoProcess } from './demo-process.ts';
import { createDisturbance, type Disturbance, type Incident } from './disturbances.ts';
import type { ImageSet } from './image-set.ts';
import type { LoadOptions, Scenario } from './options.ts';
import type { ProbeState } from './page-probe.ts';
import { describeMachine, type LoadReport, mebibytes } from './report.ts';
import { measureStages } from './stage-times.ts';
import { createStatusLine } from './status-line.ts';
import { isExact, verifyLibrary } from './verify-library.ts';

const SAMPLE_EVERY_MS = 500;
/** While something is to go wrong: files arrive in batches, and the moment is soon missed. */
const DISTURBED_SAMPLE_EVERY_MS = 50;
/** Reading the heap is not free for the page. */
const HEAP_EVERY_MS = 2000;

/** What was seen while the files were on their way. */
interface Watched {
  readonly uploadedMs: number | null;
  readonly searchableMs: number | null;
  readonly heapPeakBytes: number;
  readonly problems: readonly string[];
}

/**
 * One load run: a server and a browser of its own, the folder through the page, and the library
 * compared with the folder. Whatever happens, both processes end and the data is removed.
 */
export async function runLoad(
  options: LoadOptions,
  scenario: Scenario,
  images: ImageSet,
  signal: AbortSignal,
): Promise<LoadReport> {
  const startedAt = new Date().toISOString();
  const tempDir = await mkdtemp(path.join(tmpdir(), 'bulkhead-load-'));
  const dataDir = path.join(tempDir, 'data');
  await mkdir(dataDir);
  const logFile = path.join(tempDir, 'server.log');
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  let backend: Backend | undefined;
  let page: DrivenPage | undefined;
  let isKept = options.keep;
  try {
    const onEnd = (error: Error) => ended.abort(error);
    let demo: DemoProcess | undefined;
    if (scenario === 'cluster') {
      backend = await Cluster.start({ logFile, killEveryMs: options.killEveryMs }, onEnd);
    } else {
      const env = scenario === 'rate-limit' ? TIGHT_RATE : {};
      demo = await DemoProcess.start({ dataDir, logFile, env }, onEnd);
      backend = demo;
    }
    page = await openPage({ url: backend.baseUrl, isHeaded: options.headed, tempDir });
    const { files } = options;
    const disturbance = demo && createDisturbance(scenario, demo, page, files, images.dir);
    // Chromium writes cookies down every half minute, or when it is closed: the visitor must not be new.
    if (scenario === 'crash') await page.reopen('closed');
    const startedMs = performance.now();
    await page.addFolder(images.dir);
    const watched = await watch(page, options, stop, disturbance);
    const problems = [...watched.problems];
    if (disturbance && !disturbance.isDone()) {
      problems.push('The files were uploaded before everything had gone wrong');
    }
    if (scenario === 'rate-limit' && !page.requests().refusals[429]) {
      problems.push('No request was refused for the rate');
    }
    const run = { options, scenario, images, backend, page, startedAt };
    // A page that was opened again does not know what the one before it saw.
    const times = scenario === 'crash' ? wholeTimes(watched, startedMs) : watched;
    const report = await judge(run, times, {
      incidents: disturbance?.incidents ?? backend.incidents ?? [],
      problems,
    });
    isKept ||= !report.isSuccess;
    return report;
  } catch (error) {
    isKept = true;
    throw error;
  } finally {
    await page?.close().catch(() => {});
    await backend?.stop();
    if (isKept && !signal.aborted) console.log(`The server's data and log are kept in ${tempDir}`);
    else await rm(tempDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One request for credentials, then one every ten seconds. */
const TIGHT_RATE = { BULKHEAD_RATE_CAPACITY: '1', BULKHEAD_RATE_PER_MINUTE: '6' };

function wholeTimes(watched: Watched, startedMs: number): Watched {
  const ms = performance.now() - startedMs;
  const isOver = watched.problems.length === 0;
  return { ...watched, uploadedMs: isOver ? ms : null, searchableMs: isOver ? ms : null };
}

/** Follows the uploads until all have ended, or time is up. */
async function watch(
  page: DrivenPage,
  options: LoadOptions,
  stop: AbortSignal,
  disturbance: Disturbance | undefined,
): Promise<Watched> {
  const line = createStatusLine();
  const deadline = performance.now() + options.timeoutMs;
  let heapPeakBytes = 0;
  let heapReadMs = Number.NEGATIVE_INFINITY;
  for (;;) {
    stop.throwIfAborted();
    const state = await page.state();
    const { snapshot } = state;
    if (performance.now() - heapReadMs >= HEAP_EVERY_MS) {
      heapReadMs = performance.now();
      heapPeakBytes = Math.max(heapPeakBytes, await page.heapBytes());
      line.show(describeState(state, options.files, heapPeakBytes));
    }
    await disturbance?.check(state);
    const known = (snapshot?.searchable ?? 0) + (snapshot?.failed ?? 0);
    const isOver = known >= options.files && snapshot?.state === 'idle';
    const isLate = performance.now() > deadline;
    if (isOver || isLate) {
      line.end(describeState(state, options.files, heapPeakBytes));
      const problems = isLate && !isOver ? [`Not done within ${options.timeoutMs / 1000} s`] : [];
      return { ...(await whenAll(page, options.files)), heapPeakBytes, problems };
    }
    const isDue = disturbance !== undefined && !disturbance.isDone();
    const everyMs = isDue ? DISTURBED_SAMPLE_EVERY_MS : SAMPLE_EVERY_MS;
    await sleep(everyMs, undefined, { signal: stop });
  }
}

function describeState(
  { snapshot, elapsedMs, longestTaskMs }: ProbeState,
  files: number,
  heapBytes: number,
): string {
  const parts = [
    `${Math.round(elapsedMs / 1000)} s`,
    `uploaded ${snapshot?.uploaded ?? 0}/${files}`,
    `processed ${snapshot?.processed ?? 0}`,
    `searchable ${snapshot?.searchable ?? 0}`,
    ...(snapshot?.failed ? [`failed ${snapshot.failed}`] : []),
    ...(snapshot?.wait ? [`waiting (${snapshot.wait.kind})`] : []),
    `heap ${mebibytes(heapBytes)}`,
    `longest task ${Math.round(longestTaskMs)} ms`,
  ];
  return parts.join(' · ');
}

/** By the page's own clock: polling from outside would round up. */
async function whenAll(page: DrivenPage, files: number) {
  const { uploads, acknowledged, startedMs } = await page.result();
  const searchable = uploads.flatMap(({ statusMs }) => statusMs.searchable ?? []);
  const last = (times: readonly number[]) =>
    times.length < files ? null : times.reduce((a, b) => Math.max(a, b), 0) - startedMs;
  return { uploadedMs: last(acknowledged.map(({ atMs }) => atMs)), searchableMs: last(searchable) };
}

interface Run {
  readonly options: LoadOptions;
  readonly scenario: Scenario;
  readonly images: ImageSet;
  readonly backend: Backend;
  readonly page: DrivenPage;
  readonly startedAt: string;
}

async function judge(
  { options, scenario, images, backend, page, startedAt }: Run,
  watched: Watched,
  { incidents, problems }: { incidents: readonly Incident[]; problems: readonly string[] },
): Promise<LoadReport> {
  const result = await page.result();
  const heapEndBytes = await page.heapBytes({ collect: true });
  const requests = page.requests();
  const peakMemoryBytes = await backend.peakMemoryBytes();
  console.log('Comparing the library with the folder …');
  const acknowledged = [
    ...incidents.flatMap((incident) => incident.acknowledged),
    ...result.acknowledged.map(({ assetId }) => assetId),
  ];
  const access = { baseUrl: backend.baseUrl, cookie: await page.cookie() };
  const library = await verifyLibrary(access, images.files, acknowledged);

  const apiCalls = Object.values(requests.api).reduce((sum, count) => sum + count, 0);
  const { files, size, seed } = options;
  const perSecond = (ms: number | null) => (ms === null ? null : (files * 1000) / ms);
  return {
    isSuccess:
      isExact(library) &&
      library.arrived === files &&
      watched.searchableMs !== null &&
      [problems, result.failures, page.errors].every((list) => list.length === 0),
    successRate: library.arrived / files,
    startedAt,
    options: { files, size, scenario, seed },
    machine: describeMachine(page.version),
    totalBytes: images.totalBytes,
    uploadedMs: watched.uploadedMs,
    searchableMs: watched.searchableMs,
    uploadedFilesPerSecond: perSecond(watched.uploadedMs),
    searchableFilesPerSecond: perSecond(watched.searchableMs),
    stages: measureStages(result.uploads),
    page: {
      handOverMs: result.handOverMs,
      longestTaskMs: Math.max(0, ...result.longTasks),
      tasksOver50Ms: result.longTasks.length,
      heapPeakBytes: watched.heapPeakBytes,
      heapEndBytes,
      uncaughtErrors: [...page.errors],
    },
    requests: {
      ...requests,
      perFile: (apiCalls + requests.puts + requests.preflights) / files,
    },
    server: {
      peakMemoryBytes,
    },
    incidents: incidents.map(({ acknowledged: _, ...incident }) => incident),
    rateLimited: requests.refusals[429] ?? 0,
    library,
    failures: result.failures,
    problems,
  };
}
