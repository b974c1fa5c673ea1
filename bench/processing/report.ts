import { describeMachine, type Machine, mebibytes } from '../load/report.ts';
import type { ImageFolder } from './image-folder.ts';
import type { EngineName, ProcessingOptions } from './options.ts';

/** A worker does all that a bare loop does, and then keeps its promises. */
const MIN_RATIO = 0.8;

/** Files a second, round by round. */
export interface Measured {
  readonly folder: ImageFolder;
  readonly engine: EngineName;
  readonly bare: readonly number[];
  readonly worker: readonly number[];
}

export interface ProcessingReport {
  readonly isSuccess: boolean;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly options: ProcessingOptions;
  readonly results: readonly (Measured & { readonly ratio: number })[];
}

export function createReport(
  options: ProcessingOptions,
  measured: readonly Measured[],
  startedAt: Date,
): ProcessingReport {
  const results = measured.map((entry) => {
    // Round by round: what slowed one round slowed both sides.
    const ratios = entry.worker.map((speed, round) => speed / (entry.bare[round] ?? Number.NaN));
    return { ...entry, ratio: median(ratios) };
  });
  return {
    isSuccess: results.every(({ ratio }) => ratio >= MIN_RATIO),
    startedAt: startedAt.toISOString(),
    machine: describeMachine(''),
    options,
    results,
  };
}

/** The report for people. */
export function formatReport({ machine, options, results }: ProcessingReport): string {
  const { concurrency, rounds, poison } = options;
  return [
    `Processing, files/s, ${concurrency} at once, median of ${rounds} rounds in turns${poison > 0 ? `, ${poison} poisoned images among them` : ''}`,
    `${machine.cores} × ${machine.cpu}, ${mebibytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}`,
    ...results.map(({ folder, engine, bare, worker, ratio }) => {
      const what = `${folder.files} × ${folder.megapixels} MP, ${engine}`.padEnd(24);
      const speeds = `bare loop ${median(bare).toFixed(1)}, worker ${median(worker).toFixed(1)}`;
      const verdict = ratio >= MIN_RATIO ? '✔' : '✘';
      return `${verdict} ${what} ${speeds}: ${ratio.toFixed(2)} × (goal ${MIN_RATIO})`;
    }),
  ].join('\n');
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1] ?? Number.NaN, sorted[middle] ?? Number.NaN];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}
