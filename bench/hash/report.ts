import { describeMachine, type Machine, mebibytes, milliseconds } from '../load/report.ts';
import { median } from '../support/median.ts';
import type { HasherResult, SetResult } from './hash-run.ts';
import type { HashOptions } from './options.ts';
import type { HasherName } from './page/measures.ts';

/** Ours is to be as fast as the best of the others, give or take. */
const MIN_RATIO = 0.9;
/** Above the limit of the buffer: the others that hash by WebCrypto hold such files whole. */
const STREAMED_FROM_BYTES = 128 * 1024 * 1024;

/** What `--out` writes. Speeds are megabytes (10^6) a second. */
export interface HashReport {
  readonly isSuccess: boolean;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly browser: HashOptions['browser'];
  readonly rounds: number;
  readonly sets: readonly (SetResult & { readonly best: HasherName; readonly ratio: number })[];
}

export function createReport(
  { browser, rounds }: HashOptions,
  results: readonly SetResult[],
  startedAt: Date,
  version: string,
): HashReport {
  const sets = results.map((result) => ({ ...result, ...compare(result) }));
  return {
    isSuccess: sets.every(({ ratio }) => ratio >= MIN_RATIO),
    startedAt: startedAt.toISOString(),
    machine: describeMachine(version),
    browser,
    rounds,
    sets,
  };
}

/** Ours beside the best of the other hashers, round by round: what slowed one round slowed both. */
function compare({ set, results }: SetResult): { best: HasherName; ratio: number } {
  const ours = results.find(({ hasher }) => hasher === 'ours')?.speeds ?? [];
  const others = results.filter(({ hasher }) => {
    if (hasher === 'ours' || hasher === 'reading alone') return false;
    return set.sizeBytes <= STREAMED_FROM_BYTES || hasher.startsWith('hash-wasm');
  });
  const [best] = others.toSorted((a, b) => median(b.speeds) - median(a.speeds));
  const ratios = ours.map((speed, round) => speed / (best?.speeds[round] ?? Number.NaN));
  return { best: best?.hasher ?? 'reading alone', ratio: median(ratios) };
}

/** The report for people. */
export function formatReport({ machine, browser, rounds, sets }: HashReport): string {
  return [
    `SHA-256 of files on disk, MB/s, median of ${rounds} rounds in turns`,
    `${machine.cores} × ${machine.cpu}, ${mebibytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}, ${browser} ${machine.chromium}`,
    ...sets.flatMap(({ set, results, mode, best, ratio }) => [
      '',
      `${set.count} × ${(set.sizeBytes / 1e6).toString()} MB (${mode})`,
      ...results.map(formatResult),
      `${ratio >= MIN_RATIO ? '✔' : '✘'} ${ratio.toFixed(2)} × the best of the others, ${best} (goal ${MIN_RATIO})`,
    ]),
    '',
    'The ratio is the median of the rounds. longest: between two turns of the main thread, in one run that',
    'was watched; in brackets tasks over 50 ms, which Chromium alone tells.',
  ].join('\n');
}

function formatResult({ hasher, speeds, longestGapMs, tasksOver50Ms }: HasherResult): string {
  const sorted = speeds.toSorted((a, b) => a - b);
  const range = `${Math.round(sorted[0] ?? 0)} to ${Math.round(sorted.at(-1) ?? 0)}`;
  return [
    `  ${hasher.padEnd(22)}`,
    Math.round(median(speeds)).toString().padStart(5),
    `  ${range.padEnd(14)}`,
    `longest ${milliseconds(longestGapMs).padStart(7)} (${tasksOver50Ms})`,
  ].join('');
}
