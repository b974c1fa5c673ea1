#!/usr/bin/env node
/** `bulkhead-server`: see `command-line.ts` for what it takes. */
import { readFile } from 'node:fs/promises';
import { BlobStoreUnusableError } from '../blobs/blob-store.ts';
import { limitsSchema, OptionsError, resolveOptions } from '../config.ts';
import { DirectoryLockedError } from '../database/directory-lock.ts';
import { MigrationError } from '../database/migrations.ts';
import { DatabaseError } from '../database/postgres-database.ts';
import { createLogger } from '../logging.ts';
import { maxShutDownMs, shutDownOnSignal } from '../shut-down.ts';
import { checkKit } from './check.ts';
import { type Command, CommandLineError, parseCommandLine, USAGE } from './command-line.ts';
import { readConfigFile } from './config-file.ts';
import { openDatabase, openKit } from './open-kit.ts';
import { serve } from './serve.ts';
import {
  limitsOf,
  readDatabaseSettings,
  readSettings,
  refuseUnfitForProduction,
  SettingsError,
} from './settings.ts';
import { work } from './work.ts';

/** Whose message is all that a person needs. */
const EXPECTED = [
  CommandLineError,
  OptionsError,
  SettingsError,
  DatabaseError,
  MigrationError,
  DirectoryLockedError,
  BlobStoreUnusableError,
];

async function main(): Promise<void> {
  const command = parseCommandLine(process.argv.slice(2));
  if (command.name === 'help') console.log(USAGE);
  else if (command.name === 'version') console.log(await readVersion());
  else if (command.name === 'migrate') await migrate(command.config);
  else await run(command);
}

/** By the database's settings alone: a store or a provider need not be there yet. */
async function migrate(configFile: string | undefined): Promise<void> {
  const settings = readDatabaseSettings(process.env);
  const named = configFile === undefined ? undefined : await readConfigFile(configFile);
  const logger = named?.logger ?? createLogger(settings.LOG_LEVEL);
  await (await openDatabase(settings, logger)).close();
  console.log('The database is up to date');
}

async function run(
  command: Exclude<Command, { name: 'help' | 'version' | 'migrate' }>,
): Promise<void> {
  const settings = readSettings(process.env);
  const config = await readConfigFile(command.config);
  refuseUnfitForProduction(settings, config);
  const logger = config.logger ?? createLogger(settings.LOG_LEVEL);
  const limits = resolveOptions(limitsSchema, { ...limitsOf(settings), ...config.limits });
  const kit = await openKit(settings, config, limits);
  try {
    if (command.name === 'check') {
      const findings = await checkKit(kit);
      for (const { what, problem, note } of findings) {
        const rest = problem ?? note;
        console.log(`${problem ? '✘' : '✔'} ${what}${rest ? `: ${rest}` : ''}`);
      }
      if (findings.some(({ problem }) => problem !== undefined)) process.exitCode = 1;
      await kit.closeOthers();
      await kit.database.close();
      return;
    }
    const isEmbedded = kit.database.engine.kind === 'pglite';
    const running =
      command.name === 'work'
        ? await work(kit)
        : await serve(kit, command.withWorkers || isEmbedded);
    shutDownOnSignal(
      running.stop,
      (error) => logger.error({ err: error }, 'The shutdown was not in order'),
      maxShutDownMs(settings.BULKHEAD_DRAIN_SECONDS * 1000),
    );
    logger.info({}, `[Server] ${running.summary}`);
  } catch (error) {
    await kit.closeOthers();
    await kit.database.close();
    throw error;
  }
}

async function readVersion(): Promise<string> {
  const manifest = new URL('../../package.json', import.meta.url);
  return JSON.parse(await readFile(manifest, 'utf8')).version;
}

try {
  await main();
} catch (error) {
  const isExpected = EXPECTED.some((expected) => error instanceof expected);
  console.error(isExpected ? (error as Error).message : error);
  if (error instanceof CommandLineError) console.error(`\n${USAGE}`);
  process.exit(1);
}
