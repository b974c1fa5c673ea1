import { cpus, totalmem } from 'node:os';
import type { Incident } from './disturbances.ts';
import type { ImageSetSize } from './image-set.ts';
import type { Scenario } from './options.ts';
import type { RequestCounts } from './request-counter.ts';
import { type Percentiles, STAGE_MEANING, STAGES, type Stage } from './stage-times.ts';
import type { LibraryVerdict } from './verify-library.ts';

/** What `--out` writes. Times are milliseconds unless the name says otherwise. */
export interface LoadReport {
  readonly isSuccess: boolean;
  /** Files that arrived exactly once, unaltered and searchable, as a part of all: 1 is all. */
  readonly successRate: number;
  readonly startedAt: string;
  readonly options: LoadCase;
  readonly machine: Machine;
  readonly totalBytes: number;
  /** From handing over the folder until the last file was acknowledged; null when that never came. */
  readonly uploadedMs: number | null;
  /** From handing over the folder until the last file was searchable; null when that never came. */
  readonly searchableMs: number | null;
  readonly uploadedFilesPerSecond: number | null;
  readonly searchableFilesPerSecond: number | null;
  readonly stages: Readonly<Record<Stage, Percentiles>>;
  readonly page: {
    /** The browser's own work of listing the folder, before the page hears of it; 0 under 50 ms. */
    readonly handOverMs: number;
    /** 0 when no task took over 50 ms. */
    readonly longestTaskMs: number;
    readonly tasksOver50Ms: number;
    /** Highest of the samples, dead objects included. */
    readonly heapPeakBytes: number;
    /** At the end, after a collection. */
    readonly heapEndBytes: number;
    readonly uncaughtErrors: readonly string[];
  };
  readonly requests: RequestCounts & {
    /** API calls, PUTs and preflights, by the number of files: what uploading costs. */
    readonly perFile: number;
  };
  readonly server: {
    readonly peakMemoryBytes: number;
  };
  /** What went wrong on purpose. */
  readonly incidents: readonly Omit<Incident, 'acknowledged'>[];
  /** Answers of the API that refused for the rate. */
  readonly rateLimited: number;
  readonly library: LibraryVerdict;
  /** Uploads that ended without success, in words. */
  readonly failures: readonly string[];
  /** What else went wrong with the run itself. */
  readonly problems: readonly string[];
}

/** One scenario of a run. */
export interface LoadCase {
  readonly files: number;
  readonly size: ImageSetSize;
  readonly scenario: Scenario;
  readonly seed: number;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  readonly chromium: string;
}

export function describeMachine(chromium: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    chromium,
  };
}

/** The report for people. */
export function formatReport(report: LoadReport): string {
  const { options, machine, page, requests, server } = report;
  const apiCalls = Object.values(requests.api).reduce((sum, count) => sum + count, 0);
  const lines = [
    `${options.files} × ${options.size} (${mebibytes(report.totalBytes)}), ${options.scenario}, seed ${options.seed}`,
    `${machine.cores} × ${machine.cpu}, ${mebibytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}, Chromium ${machine.chromium}`,
    '',
    `${'stage'.padEnd(11)}${['p50', 'p95', 'p99', 'max'].map((name) => name.padStart(10)).join('')}`,
    // Files go either alone or in packs: what none went through says nothing.
    ...STAGES.filter((stage) => report.stages[stage].count > 0).map((stage) =>
      formatStage(stage, report.stages[stage]),
    ),
    '',
    row('all uploaded', rate(report.uploadedMs, report.uploadedFilesPerSecond)),
    row('all searchable', rate(report.searchableMs, report.searchableFilesPerSecond)),
    row(
      'longest task',
      page.tasksOver50Ms === 0
        ? 'none over 50 ms'
        : `${milliseconds(page.longestTaskMs)} (${page.tasksOver50Ms} over 50 ms)`,
    ),
    ...(page.handOverMs > 0
      ? [row('hand-over', `${milliseconds(page.handOverMs)} of Chromium's own, to list the folder`)]
      : []),
    row(
      'page heap',
      `${mebibytes(page.heapPeakBytes)} at most, ${mebibytes(page.heapEndBytes)} at the end`,
    ),
    row(
      'requests',
      `${requests.perFile.toFixed(2)} a file: ${requests.puts} PUT, ${apiCalls} API, ${requests.preflights} preflights; ${requests.storeReads} thumbnails and reads besides`,
    ),
    ...(server.peakMemoryBytes > 0
      ? [row('server memory', `${mebibytes(server.peakMemoryBytes)} at most`)]
      : []),
    ...report.incidents.map(({ what, uploaded, atMs = 0, lastedMs }) =>
      row(`at ${uploaded ?? formatSeconds(atMs)}`, `${what}, for ${milliseconds(lastedMs)}`),
    ),
    ...(report.rateLimited > 0
      ? [row('rate limited', `${report.rateLimited} requests were refused, and sent again`)]
      : []),
    ...(requests.puts > options.files
      ? [row('sent again', `${requests.puts - options.files} PUTs`)]
      : []),
    '',
    ...formatVerdict(report),
  ];
  return lines.join('\n');
}

function formatStage(stage: Stage, { p50, p95, p99, max }: Percentiles): string {
  const times = [p50, p95, p99, max].map((value) => milliseconds(value).padStart(10)).join('');
  return `${stage.padEnd(11)}${times}   ${STAGE_MEANING[stage]}`;
}

function formatVerdict({ library, successRate, options, ...report }: LoadReport): string[] {
  const percent = `${(Math.floor(successRate * 10_000) / 100).toString()} %`;
  const lists = [
    ['missing', library.missing],
    ['stored more than once', library.repeated],
    ['altered', library.altered],
    ['not searchable', library.notSearchable],
    ['assets of no source', library.extra],
    ['acknowledged, then lost', library.lost],
    ['failed uploads', report.failures],
    ['uncaught errors in the page', report.page.uncaughtErrors],
    ['problems', report.problems],
  ] as const;
  return [
    ...lists.flatMap(([title, list]) => (list.length === 0 ? [] : formatList(title, list))),
    `${report.isSuccess ? '✔' : '✘'} ${percent} arrived exactly once, byte for byte, and searchable (${library.arrived} of ${options.files})`,
  ];
}

function formatList(title: string, list: readonly string[]): string[] {
  const shown = list.slice(0, 10).map((item) => `    ${item}`);
  const rest = list.length - shown.length;
  return [`  ${title}: ${list.length}`, ...shown, ...(rest > 0 ? [`    and ${rest} more`] : [])];
}

function row(title: string, text: string): string {
  return `${title.padEnd(16)}${text}`;
}

function rate(ms: number | null, filesPerSecond: number | null): string {
  if (ms === null || filesPerSecond === null) return 'never';
  return `${(ms / 1000).toFixed(1)} s (${filesPerSecond.toFixed(1)} files/s)`;
}

export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

export function mebibytes(bytes: number): string {
  const megabytes = bytes / 1024 ** 2;
  return megabytes >= 2048 ? `${(megabytes / 1024).toFixed(1)} GiB` : `${megabytes.toFixed(1)} MiB`;
}
