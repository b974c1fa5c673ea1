import { type Machine, mebibytes, milliseconds } from '../load/report.ts';
import type { SetRuns } from './compare-run.ts';
import { type Standing, standingsOf, type Verdict, verdictsOf } from './judge.ts';
import type { Protocol } from './options.ts';

/** One set as it was measured, and how. Sets of one report may come from several runs. */
export interface ReportedSet extends SetRuns {
  readonly command: string;
}

/** What `--out` and `--write` write. */
export interface CompareReport {
  readonly protocol: Protocol;
  readonly machine: Machine;
  /** Of the libraries beside ours. */
  readonly versions: Readonly<Record<string, string>>;
  readonly sets: readonly ReportedSet[];
}

const PROTOCOLS: Readonly<Record<Protocol, string>> = { h1: 'HTTP/1.1', h2: 'HTTP/2 with TLS' };

/** The report for people, as Markdown. */
export function formatReport({ protocol, machine, versions, sets }: CompareReport): string {
  const libraries = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `# Side by side, ${PROTOCOLS[protocol]}`,
    '',
    `${machine.cores} × ${machine.cpu}, ${mebibytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}, headless Chromium ${machine.chromium}. ${libraries.join(', ')}.`,
    'Real files on disk, a new browser profile for every run, a server on loopback that counts bytes and keeps nothing,',
    'in a process of its own on the same machine. The page is on the API’s origin; the store is another one.',
    ...sets.flatMap(formatSet),
    '',
    '**Time** is from handing over the files until the last one is acknowledged; medians of the rounds. **Longest task** of',
    'the main thread and **heap** (JavaScript, sampled twice a second, garbage included): the worst of the rounds. **Requests**',
    'include CORS preflights and finalizing. A client that lost a file, or sent another size, failed. Ratios: median of the',
    'rounds’ ratios. **CPU** is the time of all cores: of the page’s process, of the browser’s others (files and network), and',
    'of the server; medians.',
    '',
  ].join('\n');
}

function formatSet(measured: ReportedSet): string[] {
  const { set, startedAt, rounds, libraryRounds, command } = measured;
  const verdicts = verdictsOf(measured);
  return [
    '',
    `## ${set.title}`,
    '',
    `\`${command}\`, ${startedAt}; ${plural(rounds, 'round')}, of the libraries ${libraryRounds}.`,
    '',
    '| client | configuration | time | files/s | MB/s | longest task | heap | requests a file | CPU: page, browser, server |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|',
    ...standingsOf(measured).map((standing) => formatStanding(standing, measured)),
    ...(verdicts.length === 0 ? [] : ['', '| ratio | found | goal | |', '|---|---:|---:|---|']),
    ...verdicts.map(formatVerdict),
    ...formatTried(measured),
  ];
}

function formatStanding(standing: Standing, { set }: SetRuns): string {
  const { title, variant, totalMs, filesPerSecond, megabytesPerSecond } = standing;
  if (totalMs === undefined) {
    return `| ${title} | ${variant} | ${formatTrouble(standing, set.count)} | | | | | | |`;
  }
  const cells = [
    `${(totalMs / 1_000).toFixed(1)} s`,
    round(filesPerSecond ?? 0),
    round(megabytesPerSecond ?? 0),
    standing.longestTaskMs === 0 ? 'none' : milliseconds(standing.longestTaskMs),
    mebibytes(standing.heapBytes),
    standing.requestsPerFile.toFixed(2),
    formatCpu(standing.cpu),
  ];
  return `| ${title} | ${variant} | ${cells.join(' | ')} |`;
}

function formatCpu(cpu: Standing['cpu']): string {
  if (!cpu) return '';
  return `${[cpu.page, cpu.browser, cpu.server].map((seconds) => seconds.toFixed(1)).join(' + ')} s`;
}

function formatTrouble({ trouble }: Standing, count: number): string {
  if (trouble?.status !== 'unfinished') return `failed: ${trouble?.reason ?? 'no reason given'}`;
  const seconds = trouble.limitMs / 1_000;
  return `did not finish in ${seconds} s (${trouble.arrivedFiles} of ${count} arrived)`;
}

function formatVerdict({ of, beside, goal, ratio, isAtLeast, isMet }: Verdict): string {
  const found = `${isAtLeast ? 'over ' : ''}${ratio.toFixed(2)} ×`;
  return `| ${of} / ${beside} | ${found} | ≥ ${goal.atLeast} × | ${isMet ? '✔' : '✘'} |`;
}

/** Configurations that were tried and were slower. */
function formatTried(measured: SetRuns): string[] {
  const standings = standingsOf(measured);
  const tried = measured.runs.flatMap(({ client, variant, outcome }) => {
    const standing = standings.find((candidate) => candidate.client === client);
    if (!standing || standing.variant === variant) return [];
    const result =
      outcome.status === 'finished'
        ? `${(outcome.totalMs / 1_000).toFixed(1)} s`
        : formatTrouble({ ...standing, trouble: outcome }, measured.set.count);
    return [`${standing.title}, ${variant}: ${result}`];
  });
  return tried.length === 0 ? [] : ['', `Tried, and slower: ${tried.join('; ')}.`];
}

function round(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
