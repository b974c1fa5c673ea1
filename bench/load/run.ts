/**
 * The main job under load: real files through the demo page in a real browser, to a server of its
 * own, compared byte for byte. `npm run load -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BuildError, build } from '../../scripts/build.mjs';
import { DiskSpaceError, type ImageSet, type ImageSetSize, openImageSet } from './image-set.ts';
import { LoadOptionError, parseLoadOptions, type Scenario, USAGE } from './options.ts';
import type { LoadReport } from './report.ts';
import { createStatusLine } from './status-line.ts';

const CACHE_DIR = path.resolve(import.meta.dirname, '../../node_modules/.cache/bulkhead-load');

class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** @returns the exit code */
async function main(): Promise<number> {
  const options = parseLoadOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const interrupt = new AbortController();
  for (const event of ['SIGINT', 'SIGTERM'] as const) {
    process.on(event, () => interrupt.abort(new InterruptedError('Interrupted')));
  }
  await build();
  // Only now: they import what was just built.
  const [{ runLoad }, { runUsers, USERS }, { formatReport, formatSeconds }] = await Promise.all([
    import('./load-run.ts'),
    import('./users-run.ts'),
    import('./report.ts'),
  ]);
  const { files, size, seed, scenarios } = options;
  const outcomes: Outcome[] = [];
  const reports: LoadReport[] = [];
  for (const scenario of scenarios) {
    console.log(`\n▶ ${scenario}`);
    if (scenario === 'users') {
      const each = Math.floor(files / USERS);
      const sets: ImageSet[] = [];
      for (let user = 1; user <= USERS; user += 1) {
        sets.push(await makeImages({ files: each, size, seed: seed + 100 * user }));
      }
      const { isSuccess, arrived, searchableMs, problems } = await runUsers(
        options,
        sets,
        interrupt.signal,
      );
      for (const problem of problems) console.log(`  ${problem}`);
      const slowestMs = Math.max(0, ...searchableMs);
      console.log(
        `${USERS} people, ${each} files each: all searchable in ${formatSeconds(slowestMs)}`,
      );
      outcomes.push({ scenario, isSuccess, arrived, files: each * USERS, ms: slowestMs });
    } else {
      const images = await makeImages({ files, size, seed });
      const report = await runLoad(options, scenario, images, interrupt.signal);
      console.log(`\n${formatReport(report)}`);
      reports.push(report);
      const { isSuccess, library, searchableMs } = report;
      outcomes.push({
        scenario,
        isSuccess,
        arrived: library.arrived,
        files,
        ms: searchableMs ?? 0,
      });
    }
  }
  console.log(`\n${outcomes.map((outcome) => formatOutcome(outcome, formatSeconds)).join('\n')}`);
  if (options.out !== undefined) {
    await writeFile(options.out, `${JSON.stringify({ outcomes, reports }, null, 2)}\n`);
    console.log(`Report: ${options.out}`);
  }
  return outcomes.every(({ isSuccess }) => isSuccess) ? 0 : 1;
}

interface Outcome {
  readonly scenario: Scenario;
  readonly isSuccess: boolean;
  readonly arrived: number;
  readonly files: number;
  /** Until everything was searchable. */
  readonly ms: number;
}

function formatOutcome(
  { scenario, isSuccess, arrived, files, ms }: Outcome,
  formatSeconds: (ms: number) => string,
): string {
  const percent = (Math.floor((arrived / files) * 10_000) / 100).toString();
  const share = `${percent} % (${arrived} of ${files})`;
  return `${isSuccess ? '✔' : '✘'} ${scenario.padEnd(12)}${share.padEnd(26)}${formatSeconds(ms)}`;
}

async function makeImages({
  files,
  size,
  seed,
}: {
  files: number;
  size: ImageSetSize;
  seed: number;
}) {
  const line = createStatusLine();
  const startedMs = performance.now();
  const images = await openImageSet({
    files,
    size,
    seed,
    cacheDir: CACHE_DIR,
    onProgress: (made) => line.show(`Making images: ${made}/${files}`),
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  line.end(
    images.isCached
      ? `${files} images of an earlier run: ${images.dir}`
      : `${files} images made in ${seconds} s: ${images.dir}`,
  );
  return images;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected =
    error instanceof BuildError ||
    error instanceof DiskSpaceError ||
    error instanceof InterruptedError;
  if (error instanceof LoadOptionError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error(isExpected ? error.message : error);
  process.exitCode = 1;
}
