/**
 * What taking files in costs the page, side by side with Uppy, in a real browser.
 * `npm run bench:intake -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import { createStatusLine } from '../load/status-line.ts';
import { launchBrowser } from './browser.ts';
import { bundlePage } from './bundle.ts';
import { runIntake } from './intake-run.ts';
import { IntakeOptionError, parseIntakeOptions, USAGE } from './options.ts';
import { createReport, formatReport } from './report.ts';

/** @returns the exit code */
async function main(): Promise<number> {
  const options = parseIntakeOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const script = await bundlePage();
  const browser = await launchBrowser();
  const line = createStatusLine();
  try {
    const startedAt = new Date();
    const measures = await runIntake(browser, script, options, line.show);
    line.end();
    const report = createReport(options, measures, startedAt, browser.version());
    console.log(formatReport(report));
    if (options.out !== undefined) {
      await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
      console.log(`Report: ${options.out}`);
    }
    if (options.profile !== undefined) {
      await writeFile(options.profile, JSON.stringify(measures.profile));
      console.log(`Profile: ${options.profile}`);
    }
    return report.isSuccess ? 0 : 1;
  } finally {
    await browser.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof IntakeOptionError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}
