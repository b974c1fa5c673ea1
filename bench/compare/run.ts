/**
 * Uploading side by side: Bulkhead, bare loops, Uppy and tus, each at its best, with the same files, browser
 * and server. `npm run bench -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeMachine } from '../load/report.ts';
import { bundlePageScripts } from '../support/bundle.ts';
import { runProtocol } from './compare-run.ts';
import { verdictsOf } from './judge.ts';
import { CompareOptionError, type CompareOptions, parseCompareOptions, USAGE } from './options.ts';
import { type CompareReport, formatReport } from './report.ts';
import { installedVersions, writeResults } from './results.ts';
import type { PageFiles } from './server/messages.ts';

const HTML =
  '<!doctype html><title>Bench</title><link rel="icon" href="data:,"><input type="file" multiple><script type="module" src="/main.js"></script>';

/** @returns the exit code */
async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const options = parseCompareOptions(args);
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const startedAt = new Date();
  const page = await pageFiles(options);
  const reports: CompareReport[] = [];
  for (const protocol of options.protocols) {
    const { sets, chromium } = await runProtocol(protocol, page, options, console.log);
    const report: CompareReport = {
      ...{ protocol, versions: await installedVersions(), machine: describeMachine(chromium) },
      sets: sets.map((set) => ({ ...set, command })),
    };
    reports.push(report);
    console.log(`\n${formatReport(report)}`);
    // After each protocol: what follows may take an hour.
    if (options.isWritten)
      console.log(`Results: ${await writeResults(report, startedAt)}.md, .json`);
  }
  if (options.out !== undefined) {
    await writeFile(options.out, `${JSON.stringify(reports, null, 2)}\n`);
    console.log(`Report: ${options.out}`);
  }
  return isSuccess(reports, options) ? 0 : 1;
}

async function pageFiles({ profileDir }: CompareOptions): Promise<PageFiles> {
  const entry = path.join(import.meta.dirname, 'page/main.ts');
  const { page, worker } = await bundlePageScripts(entry, profileDir !== undefined);
  const script = (text: string) => ({ type: 'text/javascript', text });
  return {
    '/': { type: 'text/html', text: HTML },
    '/main.js': script(page),
    '/hash-worker.js': script(worker),
  };
}

/** Nothing was lost, and every promise that was measured was kept. A part of a set promises nothing. */
function isSuccess(reports: readonly CompareReport[], { files }: CompareOptions): boolean {
  return reports
    .flatMap(({ sets }) => sets)
    .every((set) => {
      const isWhole = set.runs.every(({ outcome }) => outcome.status !== 'failed');
      return isWhole && (files !== undefined || verdictsOf(set).every(({ isMet }) => isMet));
    });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (error instanceof CompareOptionError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}
