/**
 * How fast the server answers, and its database works, with many assets of one user.
 * `npm run bench:server -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import { sql } from 'kysely';
import type { Database } from '../../server/src/database/schema.ts';
import { createStatusLine } from '../load/status-line.ts';
import { openBenchDatabase } from './engines.ts';
import { fill } from './fill.ts';
import { measureServer } from './measures.ts';
import {
  type EngineName,
  parseServerBenchOptions,
  ServerBenchOptionError,
  type ServerBenchOptions,
  USAGE,
} from './options.ts';
import { createReport, formatReport, type ServerRun } from './report.ts';

async function runOne(
  engine: EngineName,
  assets: number,
  options: ServerBenchOptions,
  show: (text: string) => void,
): Promise<ServerRun> {
  const { database, version, close } = await openBenchDatabase(engine, options);
  try {
    const startMs = performance.now();
    await fill(database.db, {
      assets,
      onProgress: (rows) => show(`${engine}: ${rows.toLocaleString('en')} assets filled`),
    });
    const fillMs = performance.now() - startMs;
    // As autovacuum, or the embedded server's own, leaves them.
    for (const table of ['assets', 'uploads']) await vacuum(database.db, table);
    const measures = await measureServer(database, { ...options, assets }, (name) =>
      show(`${engine}, ${assets.toLocaleString('en')} assets: ${name}`),
    );
    return { engine, version, assets, fillMs, measures };
  } finally {
    await close();
  }
}

const vacuum = (db: Database, table: string) =>
  sql`vacuum (analyze) ${sql.table(table)}`.execute(db);

/** @returns the exit code */
async function main(): Promise<number> {
  const options = parseServerBenchOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const line = createStatusLine();
  const startedAt = new Date();
  const runs: ServerRun[] = [];
  for (const engine of options.engines) {
    for (const assets of options.assets) {
      runs.push(await runOne(engine, assets, options, line.show));
    }
  }
  line.end();
  const report = createReport(options, runs, startedAt);
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
  if (error instanceof ServerBenchOptionError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
}
