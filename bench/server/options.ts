import { parseArgs } from 'node:util';

export type EngineName = 'postgres' | 'pglite';

export interface ServerBenchOptions {
  readonly engines: readonly EngineName[];
  /** Assets of the one user that is measured. */
  readonly assets: readonly number[];
  /** Samples of each measure. */
  readonly rounds: number;
  /** Jobs that wait while everything is measured. */
  readonly jobs: number;
  /** One way, between this process and PostgreSQL. */
  readonly latencyMs: number;
  /** Of a user that may make databases. */
  readonly postgresUrl: string | undefined;
  /** Where the report goes as JSON. */
  readonly out: string | undefined;
}

/** A command line that cannot be meant. */
export class ServerBenchOptionError extends Error {
  override readonly name = 'ServerBenchOptionError';
}

const ENGINES: readonly EngineName[] = ['postgres', 'pglite'];
const MAX_ASSETS = 10_000_000;

export const USAGE = `npm run bench:server -- [options]
  --engines NAME,... of postgres, pglite (postgres)
  --assets N,...     assets of one user, such as 1000000 (10000,100000,1000000)
  --jobs N           jobs that wait in the queue beside (0)
  --rounds N         samples of each measure (20)
  --latency-ms N     added to the way to PostgreSQL and to the way back (0)
  --postgres URL     a server whose user may make databases (found, or started)
  --out FILE         writes the report as JSON`;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseServerBenchOptions(args: readonly string[]): ServerBenchOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const engines = values.engines.split(',').map((name) => {
    const engine = ENGINES.find((known) => known === name);
    if (!engine) throw new ServerBenchOptionError(`--engines: there is no "${name}"`);
    return engine;
  });
  return {
    engines,
    assets: values.assets
      .split(',')
      .map((text) => readNumber('--assets', text, { min: 1000, max: MAX_ASSETS })),
    rounds: readNumber('--rounds', values.rounds, { min: 2, max: 1000 }),
    jobs: readNumber('--jobs', values.jobs, { min: 0, max: MAX_ASSETS }),
    latencyMs: readNumber('--latency-ms', values['latency-ms'], { min: 0, max: 1000 }),
    postgresUrl: values.postgres,
    out: values.out,
  };
}

function readNumber(name: string, text: string, { min, max }: { min: number; max: number }) {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < min || value > max) {
    throw new ServerBenchOptionError(
      `${name} takes whole numbers from ${min} to ${max}, not "${text}"`,
    );
  }
  return value;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        engines: { type: 'string', default: 'postgres' },
        assets: { type: 'string', default: '10000,100000,1000000' },
        jobs: { type: 'string', default: '0' },
        rounds: { type: 'string', default: '20' },
        'latency-ms': { type: 'string', default: '0' },
        postgres: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new ServerBenchOptionError(error instanceof Error ? error.message : String(error));
  }
}
