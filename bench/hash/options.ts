import { parseArgs } from 'node:util';

export interface HashOptions {
  readonly browser: 'chromium' | 'firefox';
  /** Each hasher has its turn so often; the median counts. */
  readonly rounds: number;
  /** Names of the file sets to measure. */
  readonly sets: readonly string[];
  /** Where the report goes as JSON. */
  readonly out: string | undefined;
}

/** A command line that cannot be meant. */
export class HashOptionError extends Error {
  override readonly name = 'HashOptionError';
}

export const USAGE = `npm run bench:hash -- [options]
  --sets NAME,...    of 50k, 500k, 5m, 50m, 200m (all of them)
  --rounds N         turns of each hasher; the median counts (7)
  --browser NAME     chromium or firefox, which must be installed (chromium)
  --out FILE         writes the report as JSON`;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseHashOptions(
  args: readonly string[],
  known: readonly string[],
): HashOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const { browser, out } = values;
  if (browser !== 'chromium' && browser !== 'firefox') {
    throw new HashOptionError(`--browser takes chromium or firefox, not "${browser}"`);
  }
  const sets = values.sets === undefined ? known : values.sets.split(',');
  const unknown = sets.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new HashOptionError(`--sets: there is no "${unknown}"`);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 99) {
    throw new HashOptionError(`--rounds takes whole numbers to 99, not "${values.rounds}"`);
  }
  return { browser, rounds, sets, out };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        sets: { type: 'string' },
        rounds: { type: 'string', default: '7' },
        browser: { type: 'string', default: 'chromium' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new HashOptionError(error instanceof Error ? error.message : String(error));
  }
}
