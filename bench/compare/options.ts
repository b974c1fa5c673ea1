import { parseArgs } from 'node:util';
import { CLIENT_GROUPS, CLIENT_NAMES, type ClientName } from './clients.ts';
import { COMPARE_SETS } from './compare-sets.ts';

/** HTTP/1.1, or HTTP/2 by TLS. */
export type Protocol = 'h1' | 'h2';

export interface CompareOptions {
  /** One after the other. */
  readonly protocols: readonly Protocol[];
  /** Names of the file sets. */
  readonly sets: readonly string[];
  readonly clients: readonly ClientName[];
  /** Every client has its turn so often; medians count. */
  readonly rounds: number;
  /** Libraries other than ours take part in the first so many rounds. */
  readonly libraryRounds: number;
  /** Fewer files than the set has; absent: all. */
  readonly files: number | undefined;
  /** A client that takes longer did not finish. */
  readonly limitMs: number;
  /** Where the report goes as JSON. */
  readonly out: string | undefined;
  /** Whether the report goes to `bench/results` as well. */
  readonly isWritten: boolean;
  /** Folder for CPU profiles of every page and of the server. */
  readonly profileDir: string | undefined;
}

/** A command line that cannot be meant. */
export class CompareOptionError extends Error {
  override readonly name = 'CompareOptionError';
}

const SET_NAMES = COMPARE_SETS.map(({ name }) => name);

export const USAGE = `npm run bench -- [options]
  --protocol P,...      h1, h2 (both)
  --set NAME,...        of ${SET_NAMES.join(', ')} (all)
  --clients NAME,...    of ${CLIENT_NAMES.join(', ')};
                        ${Object.keys(CLIENT_GROUPS).join(', ')} (all)
  --rounds N            turns of each client (3)
  --library-rounds N    turns of Uppy and tus (1)
  --files N             fewer files than the set has
  --limit SECONDS       for one client in one round (180)
  --out FILE            writes the report as JSON
  --write               writes it to bench/results; sets measured before on the same day are kept
  --profile DIR         writes CPU profiles of the pages and of the server: such a run is slower`;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseCompareOptions(args: readonly string[]): CompareOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const names = Object.keys(CLIENT_GROUPS);
  const chosen = list('clients', values.clients, [...CLIENT_NAMES, ...names]);
  const clients = new Set(chosen.flatMap((name) => CLIENT_GROUPS[name] ?? [name as ClientName]));
  return {
    protocols: list('protocol', values.protocol, ['h1', 'h2']) as Protocol[],
    sets: list('set', values.set, SET_NAMES),
    clients: CLIENT_NAMES.filter((name) => clients.has(name)),
    rounds: wholeNumber('rounds', values.rounds, 99),
    libraryRounds: wholeNumber('library-rounds', values['library-rounds'], 99),
    files: values.files === undefined ? undefined : wholeNumber('files', values.files, 100_000),
    limitMs: wholeNumber('limit', values.limit, 3_600) * 1_000,
    out: values.out,
    isWritten: values.write,
    profileDir: values.profile,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        protocol: { type: 'string', default: 'h1,h2' },
        set: { type: 'string', default: SET_NAMES.join() },
        clients: { type: 'string', default: 'all' },
        rounds: { type: 'string', default: '3' },
        'library-rounds': { type: 'string', default: '1' },
        files: { type: 'string' },
        limit: { type: 'string', default: '180' },
        out: { type: 'string' },
        write: { type: 'boolean', default: false },
        profile: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new CompareOptionError(error instanceof Error ? error.message : String(error));
  }
}

function list(option: string, text: string, known: readonly string[]): string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new CompareOptionError(`--${option} takes ${known.join(', ')}, not "${unknown}"`);
  }
  return names;
}

function wholeNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > max) {
    throw new CompareOptionError(`--${option} takes whole numbers from 1 to ${max}, not "${text}"`);
  }
  return value;
}
