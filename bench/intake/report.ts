import { describeMachine, type Machine, mebibytes, milliseconds } from '../load/report.ts';
import { DROPPED_FILES, type IntakeCase, type IntakeMeasures } from './intake-run.ts';
import type { IntakeOptions } from './options.ts';

/** What intake promises for so many files and fewer. */
const TARGETS = { files: 100_000, totalMs: 2_000, taskMs: 50, heapBytes: 150 * 1024 ** 2 };
/** A file may cost so much more among the most files than among the fewest. */
const FLAT_WITHIN = 1.5;
/** Six uploads, each telling its progress as often as XMLHttpRequest may: every 50 ms. */
const EVENTS_A_SECOND = 120;
const SNAPSHOTS_A_SECOND = 10;

/** What `--out` writes. Times are milliseconds. */
export interface IntakeReport extends Omit<IntakeMeasures, 'profile'> {
  readonly isSuccess: boolean;
  readonly startedAt: string;
  readonly machine: Machine;
  readonly runs: number;
  readonly targets: readonly Target[];
}

export interface Target {
  readonly name: string;
  readonly isMet: boolean;
  readonly found: string;
}

export function createReport(
  { runs }: IntakeOptions,
  { profile: _, ...measures }: IntakeMeasures,
  startedAt: Date,
  chromium: string,
): IntakeReport {
  const targets = judge(measures);
  return {
    isSuccess: targets.every(({ isMet }) => isMet),
    startedAt: startedAt.toISOString(),
    machine: describeMachine(chromium),
    runs,
    targets,
    ...measures,
  };
}

function judge({ cases, running, drop }: Omit<IntakeMeasures, 'profile'>): Target[] {
  const ours = cases.filter(
    ({ uploader, files }) => uploader === 'bulkhead' && files <= TARGETS.files,
  );
  const [fewest, most] = [ours[0], ours.at(-1)];
  if (!fewest || !most) return [];
  const longestMs = Math.max(...[...ours, ...running].map(({ longestGapMs }) => longestGapMs));
  const heapGrowth = most.heapBytes / most.files / (fewest.heapBytes / fewest.files);
  const timeGrowth = most.totalMs / most.files / (fewest.totalMs / fewest.files);
  return [
    {
      name: `no task over ${TARGETS.taskMs} ms`,
      isMet: longestMs <= TARGETS.taskMs,
      found: `longest ${milliseconds(longestMs)}, uploads running or not`,
    },
    {
      name: `all taken in within ${milliseconds(TARGETS.totalMs)}`,
      isMet: most.totalMs <= TARGETS.totalMs,
      found: `${milliseconds(most.totalMs)} for ${count(most.files)} files`,
    },
    {
      name: `at most ${mebibytes(TARGETS.heapBytes)}`,
      isMet: most.heapBytes <= TARGETS.heapBytes,
      found: `${mebibytes(most.heapBytes)} for ${count(most.files)} files`,
    },
    {
      name: `a file costs the same among ${count(fewest.files)} and ${count(most.files)}`,
      isMet: Math.max(heapGrowth, timeGrowth) <= FLAT_WITHIN,
      found: `memory × ${heapGrowth.toFixed(2)}, time × ${timeGrowth.toFixed(2)}`,
    },
    {
      name: 'the first PUT leaves while the folder is walked',
      isMet: drop.firstPutMs < drop.totalMs && drop.filesAtFirstPut < drop.added,
      found: `after ${milliseconds(drop.firstPutMs)} of ${milliseconds(drop.totalMs)}`,
    },
  ];
}

/** The report for people. */
export function formatReport(report: IntakeReport): string {
  const { machine, cases, running, drop, idleGapsMs, targets } = report;
  return [
    `Intake beside @uppy/core ${report.uppyVersion}, the best of ${report.runs}`,
    `${machine.cores} × ${machine.cpu}, ${mebibytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}, Chromium ${machine.chromium}`,
    '',
    columns('', 'files', 'total', 'µs/file', 'longest', '> 50 ms', 'heap', 'B/file', 'progress'),
    ...cases.flatMap((found) => {
      const ours = cases.find(
        ({ uploader, files }) => uploader === 'bulkhead' && files === found.files,
      );
      const isPeer = found.uploader !== 'bulkhead' && ours !== undefined;
      return [formatCase(found), ...(isPeer ? [formatRatio(ours, found)] : [])];
    }),
    ...running.map((found) => {
      const { files, totalMs, longestGapMs, tasksOver50Ms, putsBegun } = found;
      const cells = timeCells(files, totalMs, longestGapMs, tasksOver50Ms);
      return `${columns('uploading', ...cells)}  ${count(putsBegun)} PUTs meanwhile`;
    }),
    '',
    'longest: between two turns of the main thread; heap: what is held beside the files; progress: of',
    `the main thread's time, for a second of uploading with ${EVENTS_A_SECOND} progress events, subscribers told.`,
    `One event, then one snapshot of ${SNAPSHOTS_A_SECOND} a second: ${events(cases)}.`,
    `A page that does nothing, on this machine meanwhile: longest ${idleGapsMs.map(milliseconds).join(', ')}.`,
    `A folder of ${count(DROPPED_FILES)} files dropped: first PUT after ${milliseconds(drop.firstPutMs)}, with ${count(drop.filesAtFirstPut)} files found;`,
    `all found after ${milliseconds(drop.totalMs)}; longest task ${milliseconds(drop.longestGapMs)}. Uppy begins when addFiles has ended.`,
    '',
    ...targets.map(({ isMet, name, found }) => `${isMet ? '✔' : '✘'} ${name}: ${found}`),
  ].join('\n');
}

function formatCase(found: IntakeCase): string {
  const { uploader, files, totalMs, longestGapMs, tasksOver50Ms, heapBytes } = found;
  return columns(
    uploader,
    ...timeCells(files, totalMs, longestGapMs, tasksOver50Ms),
    mebibytes(heapBytes),
    count(Math.round(heapBytes / files)),
    milliseconds(progressMs(found)),
  );
}

function formatRatio(ours: IntakeCase, theirs: IntakeCase): string {
  const times = (a: number, b: number) => `× ${factor(b / a)}`;
  const total = times(ours.totalMs, theirs.totalMs);
  const heap = times(ours.heapBytes, theirs.heapBytes);
  return columns(
    '  uppy/ours',
    '',
    total,
    total,
    times(ours.longestGapMs, theirs.longestGapMs),
    '',
    heap,
    heap,
    times(progressMs(ours), progressMs(theirs)),
  );
}

function timeCells(files: number, totalMs: number, longestMs: number, over50Ms: number): string[] {
  const perFile = ((totalMs * 1_000) / files).toFixed(1);
  return [count(files), milliseconds(totalMs), perFile, milliseconds(longestMs), count(over50Ms)];
}

/** Uppy tells its subscribers within each event; Bulkhead a few times a second. */
function progressMs({ eventMs, snapshotMs }: IntakeCase): number {
  return EVENTS_A_SECOND * eventMs + SNAPSHOTS_A_SECOND * snapshotMs;
}

function events(cases: readonly IntakeCase[]): string {
  return cases
    .filter(({ uploader }) => uploader === 'bulkhead')
    .map(({ files, eventMs, snapshotMs }) => {
      return `${micros(eventMs)} and ${micros(snapshotMs)} at ${count(files)}`;
    })
    .join(', ');
}

function columns(title: string, ...cells: string[]): string {
  return `${title.padEnd(12)}${cells.map((cell) => cell.padStart(10)).join('')}`.trimEnd();
}

const factor = (ratio: number) => (ratio >= 10 ? count(Math.round(ratio)) : ratio.toFixed(1));

const count = (value: number) => value.toLocaleString('en');

const micros = (ms: number) =>
  ms >= 1 ? milliseconds(ms) : `${(ms * 1_000).toFixed(ms < 0.01 ? 1 : 0)} µs`;
