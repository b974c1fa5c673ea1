/**
 * How fast the real worker processes images, side by side with a bare loop over the same pipeline.
 * `npm run bench:processing -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import { createStatusLine } from '../load/status-line.ts';
import { runBareLoop } from './bare-loop.ts';
import { IMAGE_FOLDERS, openImageFolder } from './image-folder.ts';
import { ProcessingOptionError, parseProcessingOptions, USAGE } from './options.ts';
import { createReport, formatReport, type Measured } from './report.ts';
import { runWorker } from './worker-run.ts';

/** @returns the exit code */
async function main(): Promise<number> {
  const options = parseProcessingOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const { rounds, concurrency, poison } = options;
  const line = createStatusLine();
  const startedAt = new Date();
  const measured: Measured[] = [];
  for (const folder of IMAGE_FOLDERS.filter(({ name }) => options.sets.includes(name))) {
    line.show(`Making ${folder.files} images`);
    const paths = await openImageFolder(folder);
    for (const engine of options.engines) {
      const [bare, worker]: [number[], number[]] = [[], []];
      for (let round = 1; round <= rounds; round++) {
        line.show(`${folder.name}, ${engine}: round ${round} of ${rounds}`);
        bare.push(await runBareLoop(paths, concurrency));
        worker.push(await runWorker({ engine, paths, concurrency, poison }));
      }
      measured.push({ folder, engine, bare, worker });
    }
  }
  line.end();
  const report = createReport(options, measured, startedAt);
  console.log(formatReport(report));
  if (options.out !== undefined) {
    await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
    console.log(`Report: ${options.out}`);
  }
  return report.isSuccess ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ProcessingOptionError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
