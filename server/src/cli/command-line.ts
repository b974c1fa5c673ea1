import { parseArgs } from 'node:util';

/** What the command line asks for. */
export type Command =
  | { readonly name: 'serve'; readonly config: string | undefined; readonly withWorkers: boolean }
  | { readonly name: 'work'; readonly config: string | undefined }
  | { readonly name: 'migrate'; readonly config: string | undefined }
  | { readonly name: 'check'; readonly config: string | undefined }
  | { readonly name: 'help' }
  | { readonly name: 'version' };

/** A command line that cannot be meant. */
export class CommandLineError extends Error {
  override readonly name = 'CommandLineError';
}

export const USAGE = `bulkhead-server <command> [options]

  serve      answers requests; on the embedded database it works too
  work       processes and embeds images; any number of these may run beside any number of serve
  migrate    brings the database up to date, and ends
  check      says whether everything it would need is there, and ends

  --config FILE   your configuration (./bulkhead.config.{ts,js,mjs} if it is there)
  --work          with serve: this process works too
  --help, --version

Settings come from the environment and from the configuration file: see docs/deploy.md.`;

const COMMANDS = ['serve', 'work', 'migrate', 'check'] as const;

/** @throws {CommandLineError} */
export function parseCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.help) return { name: 'help' };
  if (values.version) return { name: 'version' };
  const [name, ...rest] = positionals;
  const known = COMMANDS.find((command) => command === name);
  if (known === undefined) {
    const what = name === undefined ? 'Say what to do' : `There is no command "${name}"`;
    throw new CommandLineError(`${what}: one of ${COMMANDS.join(', ')}`);
  }
  if (rest.length > 0) throw new CommandLineError(`${known} takes no "${rest.join(' ')}"`);
  if (values.work && known !== 'serve') throw new CommandLineError('--work goes with serve');
  const { config } = values;
  return known === 'serve'
    ? { name: known, config, withWorkers: values.work }
    : { name: known, config };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        work: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
        version: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new CommandLineError(error instanceof Error ? error.message : String(error));
  }
}
