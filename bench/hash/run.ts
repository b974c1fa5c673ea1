/**
 * How fast files on disk are hashed, side by side with WebCrypto and hash-wasm alone, in a real browser.
 * `npm run bench:hash -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createStatusLine } from '../load/status-line.ts';
import { bundlePageScripts } from '../support/bundle.ts';
import { launch } from './browser.ts';
import { FILE_SETS } from './file-sets.ts';
import { runHash } from './hash-run.ts';
import { HashOptionError, parseHashOptions, USAGE } from './options.ts';
import { createReport, formatReport } from './report.ts';

/** @returns the exit code */
async function main(): Promise<number> {
  const known = FILE_SETS.map(({ name }) => name);
  const options = parseHashOptions(process.argv.slice(2), known);
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const scripts = await bundlePageScripts(path.join(import.meta.dirname, 'page/main.ts'));
  const browser = await launch(options.browser);
  const line = createStatusLine();
  try {
    const startedAt = new Date();
    const results = await runHash(browser, scripts, options, line.show);
    line.end();
    const report = createReport(options, results, startedAt, browser.version());
    console.log(formatReport(report));
    if (options.out !== undefined) {
      await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
      console.log(`Report: ${options.out}`);
    }
    return report.isSuccess ? 0 : 1;
  } finally {
    await browser.close();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof HashOptionError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}
