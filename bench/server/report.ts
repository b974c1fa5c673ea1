import { describeMachine, type Machine, mebibytes } from '../load/report.ts';
import type { Measure } from './measures.ts';
import type { EngineName, ServerBenchOptions } from './options.ts';

/** One engine with one number of assets. */
export interface ServerRun {
  readonly engine: EngineName;
  readonly version: string;
  readonly assets: number;
  readonly fillMs: number;
  readonly measures: readonly Measure[];
}

/** What `--out` writes. Times are milliseconds. */
export interface ServerReport {
  readonly isSuccess: boolean;
  readonly startedAt: string;
  readonly machine: Omit<Machine, 'chromium'>;
  readonly options: ServerBenchOptions;
  readonly runs: readonly ServerRun[];
}

export function createReport(
  options: ServerBenchOptions,
  runs: readonly ServerRun[],
  startedAt: Date,
): ServerReport {
  const { chromium: _, ...machine } = describeMachine('');
  return {
    isSuccess: runs.every(({ measures }) => measures.every(isMet)),
    startedAt: startedAt.toISOString(),
    machine,
    options,
    runs,
  };
}

/** The report for people. */
export function formatReport({ machine, options, runs }: ServerReport): string {
  return [
    `The server's answers, ms, ${options.rounds} samples each; ${options.jobs.toLocaleString('en')} more jobs wait; latency ${options.latencyMs} ms`,
    `${machine.cores} × ${machine.cpu}, ${mebibytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}`,
    ...runs.flatMap(({ version, assets, fillMs, measures }) => [
      '',
      `${version}, ${assets.toLocaleString('en')} assets of one user (filled in ${Math.round(fillMs / 1000)} s)`,
      `  ${''.padEnd(44)}${['p50', 'p95', 'max', 'goal'].map((name) => name.padStart(9)).join('')}`,
      ...measures.map(formatMeasure),
    ]),
  ].join('\n');
}

function formatMeasure(measure: Measure): string {
  const { name, timesMs, goalMs } = measure;
  const figures = [percentile(timesMs, 0.5), percentile(timesMs, 0.95), Math.max(...timesMs)];
  return [
    `${isMet(measure) ? '✔' : '✘'} ${name.padEnd(44)}`,
    ...figures.map((ms) => ms.toFixed(1).padStart(9)),
    (Number.isFinite(goalMs) ? goalMs.toString() : '–').padStart(9),
  ].join('');
}

const isMet = ({ timesMs, goalMs }: Measure) => percentile(timesMs, 0.95) <= goalMs;

/** The smallest sample that so many of all do not exceed. */
function percentile(timesMs: readonly number[], part: number): number {
  const sorted = timesMs.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN;
}
