import { parseArgs } from 'node:util';

export interface StreamsOptions {
  readonly streams: number;
  readonly users: number;
  /** Changes that are timed, one after the other. */
  readonly changes: number;
}

/** A command line that cannot be meant. */
export class StreamsOptionError extends Error {
  override readonly name = 'StreamsOptionError';
}

/** With 1,000 streams or more on one instance, 95 of 100 deliveries take no longer than this. */
export const GOAL_MS = 1000;

export const USAGE = `npm run bench:streams -- [options]
  --streams N   open at once (1000)
  --users N     they belong to, evenly (100)
  --changes N   timed one after the other, each of one user's asset (200)
With DATABASE_URL the server runs on that PostgreSQL and each change is made by another process;
without, on an embedded database, and by the server itself.

The goal: all streams open, and p95 from commit to reader at most ${GOAL_MS} ms. Ends with 1 when it is missed.`;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseStreamsOptions(args: readonly string[]): StreamsOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      streams: { type: 'string', default: '1000' },
      users: { type: 'string', default: '100' },
      changes: { type: 'string', default: '200' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const whole = (name: 'streams' | 'users' | 'changes') => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value > 0) return value;
    throw new StreamsOptionError(`--${name} takes whole numbers above 0, not "${values[name]}"`);
  };
  return { streams: whole('streams'), users: whole('users'), changes: whole('changes') };
}
