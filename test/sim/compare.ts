import { type Outcome, type Scenario, simulate } from './network.ts';
import { adaptive, aimd, fixed, type Policy } from './policies.ts';
import { SCENARIOS } from './scenarios.ts';

export const SEEDS = [1, 2, 3, 4, 5];

const POLICIES: Record<string, (max: number) => Policy> = {
  'fixed 3': (max) => fixed(3, max),
  'fixed 6': (max) => fixed(6, max),
  'fixed 20': (max) => fixed(20, max),
  AIMD: aimd,
  adaptive,
};

export interface Row {
  readonly scenario: string;
  /** Mean seconds of each policy over the seeds. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Ours over the best fixed number. */
  readonly ratio: number;
  /** Share of our requests that were answered 429. */
  readonly throttled: number;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function run(scenario: Scenario, policy: (max: number) => Policy): Outcome[] {
  return SEEDS.map((seed) => simulate(scenario, () => policy(scenario.max), seed));
}

export function compare(): Row[] {
  return SCENARIOS.map((scenario) => {
    const outcomes = Object.entries(POLICIES).map(
      ([name, policy]) => [name, run(scenario, policy)] as const,
    );
    const seconds = Object.fromEntries(
      outcomes.map(([name, runs]) => [name, mean(runs.map((run) => run.seconds))]),
    );
    const ours = outcomes.find(([name]) => name === 'adaptive')?.[1] ?? [];
    const best = Math.min(
      ...Object.entries(seconds)
        .filter(([name]) => name.startsWith('fixed'))
        .map(([, value]) => value),
    );
    return {
      scenario: scenario.name,
      seconds,
      ratio: (seconds.adaptive ?? Number.NaN) / best,
      throttled: mean(ours.map(({ throttled, requests }) => throttled / requests)),
    };
  });
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(mean(values.map(Math.log)));
}

/** The table that `npm run sim` prints. */
export function formatTable(rows: readonly Row[]): string {
  const names = Object.keys(POLICIES);
  const header = ['scenario', ...names, 'ours / best fixed', '429s'];
  const body = rows.map(({ scenario, seconds, ratio, throttled }) => [
    scenario,
    ...names.map((name) => `${(seconds[name] ?? Number.NaN).toFixed(1)} s`),
    ratio.toFixed(3),
    `${(throttled * 100).toFixed(2)} %`,
  ]);
  const widths = header.map((cell, at) =>
    Math.max(cell.length, ...body.map((row) => row[at]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ');
  const ratios = rows.map(({ ratio }) => ratio);
  return [
    line(header),
    ...body.map(line),
    '',
    `geometric mean ${geometricMean(ratios).toFixed(3)}, worst ${Math.max(...ratios).toFixed(3)}`,
  ].join('\n');
}
