import { median } from '../support/median.ts';
import { CLIENTS, type ClientName } from './clients.ts';
import { quickestVariant, type Run, type SetRuns } from './compare-run.ts';
import { COMPARE_SETS, type Goal } from './compare-sets.ts';
import type { CpuSeconds } from './cpu-time.ts';
import type { Outcome } from './one-run.ts';

type Finished = Extract<Outcome, { status: 'finished' }>;

/** One client with one set, over all rounds of its quickest configuration. */
export interface Standing {
  readonly client: ClientName;
  readonly title: string;
  readonly variant: string;
  readonly finished: readonly Finished[];
  /** Medians; absent when no round was finished. */
  readonly totalMs: number | undefined;
  readonly filesPerSecond: number | undefined;
  /** 10^6 bytes a second. */
  readonly megabytesPerSecond: number | undefined;
  /** Of any round. */
  readonly longestTaskMs: number;
  readonly heapBytes: number;
  readonly requestsPerFile: number;
  /** Medians; absent where it was not counted. */
  readonly cpu: CpuSeconds | undefined;
  /** What kept it from finishing, when no round was finished. */
  readonly trouble: Exclude<Outcome, { status: 'finished' }> | undefined;
}

export interface Verdict {
  readonly goal: Goal;
  readonly of: string;
  readonly beside: string;
  /** Times as fast: the median of the rounds that both finished. */
  readonly ratio: number;
  /** The other one did not finish: it would have taken even longer. */
  readonly isAtLeast: boolean;
  readonly isMet: boolean;
  /** The ratio of each round. */
  readonly rounds: readonly number[];
}

/** Every client that was measured, in the order of the table of clients. */
export function standingsOf({ runs, set }: SetRuns): Standing[] {
  return CLIENTS.flatMap(({ name, title }) => {
    const own = runs.filter(({ client }) => client === name);
    const [last] = own.slice(-1);
    if (!last) return [];
    const variant = quickestVariant(name, own) ?? last.variant;
    const chosen = own.filter((run) => run.variant === variant);
    const finished = chosen.flatMap(({ outcome }) =>
      outcome.status === 'finished' ? [outcome] : [],
    );
    const trouble = chosen.flatMap(({ outcome }) =>
      outcome.status === 'finished' ? [] : [outcome],
    )[0];
    const highest = (of: (run: Finished) => number) => Math.max(0, ...finished.map(of));
    const totalMs = finished.length > 0 ? median(finished.map((run) => run.totalMs)) : undefined;
    const perSecond = (amount: number) => totalMs && amount / (totalMs / 1_000);
    return [
      {
        client: name,
        ...{ title, variant, finished, totalMs, trouble },
        filesPerSecond: perSecond(set.count),
        megabytesPerSecond: perSecond((set.count * set.sizeBytes) / 1e6),
        longestTaskMs: highest((run) => run.longestTaskMs),
        heapBytes: highest((run) => run.heapBytes),
        requestsPerFile: highest((run) => run.requestsPerFile),
        cpu: cpuOf(finished),
      },
    ];
  });
}

function cpuOf(finished: readonly Finished[]): CpuSeconds | undefined {
  const counted = finished.flatMap(({ cpu }) => cpu ?? []);
  if (counted.length === 0) return undefined;
  return {
    page: median(counted.map(({ page }) => page)),
    browser: median(counted.map(({ browser }) => browser)),
    server: median(counted.map(({ server }) => server)),
  };
}

/** What was promised of a set, as far as those that it speaks of were measured. */
export function verdictsOf(measured: SetRuns): Verdict[] {
  const set = COMPARE_SETS.find(({ name }) => name === measured.set.name);
  const standings = standingsOf(measured);
  return (set?.goals ?? []).flatMap((goal) => {
    const ours = standings.find(({ client }) => client === goal.of);
    const others = standings
      .filter(({ client }) => goal.beside.includes(client))
      .toSorted((a, b) => (a.totalMs ?? Infinity) - (b.totalMs ?? Infinity));
    const [other] = others;
    if (ours?.totalMs === undefined || !other) return [];
    const verdict = compare(measured.runs, ours, other);
    if (!verdict) return [];
    const isMet = verdict.ratio >= goal.atLeast;
    return [{ goal, of: ours.title, beside: other.title, isMet, ...verdict }];
  });
}

function compare(runs: readonly Run[], ours: Standing, other: Standing) {
  if (other.totalMs === undefined) {
    if (other.trouble?.status !== 'unfinished' || ours.totalMs === undefined) return undefined;
    return { ratio: other.trouble.limitMs / ours.totalMs, isAtLeast: true, rounds: [] };
  }
  const theirs = timesOf(runs, other);
  // What slowed one round slowed both.
  const rounds = [...timesOf(runs, ours)].flatMap(([round, ownMs]) => {
    const theirMs = theirs.get(round);
    return theirMs === undefined ? [] : [theirMs / ownMs];
  });
  return rounds.length === 0 ? undefined : { ratio: median(rounds), isAtLeast: false, rounds };
}

function timesOf(runs: readonly Run[], { client, variant }: Standing): Map<number, number> {
  return new Map(
    runs.flatMap((run) =>
      run.client === client && run.variant === variant && run.outcome.status === 'finished'
        ? [[run.round, run.outcome.totalMs]]
        : [],
    ),
  );
}
