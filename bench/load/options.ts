import { parseArgs } from 'node:util';
import { IMAGE_SIZES, type ImageSetSize } from './image-set.ts';

/**
 * - `happy`: nothing goes wrong
 * - `offline`: the network goes away three times
 * - `rate-limit`: the server refuses every other request for credentials
 * - `users`: five people at once, each with a library of their own
 * - `crash`: the browser is killed at 40 %, opened again, and the folder selected again
 * - `server-kill`: the server is killed twice and started again
 * - `cluster`: PostgreSQL, Redis, S3, two API processes and two workers, one of each killed every 30 s
 */
export const SCENARIOS = [
  'happy',
  'offline',
  'rate-limit',
  'users',
  'crash',
  'server-kill',
  'cluster',
] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface LoadOptions {
  readonly files: number;
  readonly size: ImageSetSize;
  /** One after the other. */
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  /** Where the report goes as JSON. */
  readonly out: string | undefined;
  /** Keeps the server's data and log instead of removing them. */
  readonly keep: boolean;
  /** Shows the browser. */
  readonly headed: boolean;
  /** Of the cluster's processes; 0 never. */
  readonly killEveryMs: number;
  /** For the whole of uploading and processing. */
  readonly timeoutMs: number;
}

/** A command line that cannot be meant. */
export class LoadOptionError extends Error {
  override readonly name = 'LoadOptionError';
}

export const USAGE = `npm run load -- [options]
  --files N          images, 100 to 10,000 (2,000 with --scenario, else 200)
  --size S           of each: 256k, 1m, 5m, 10m, mixed (256k)
  --scenario S       happy, offline, rate-limit, users, crash, server-kill, cluster, or all (happy)
  --kill-every S     with cluster: one API process and one worker, every so many seconds (30; 0 never)
  --seed N           other images (1)
  --out FILE         writes the report as JSON
  --timeout SECONDS  gives up after so long (by count and size)
  --keep             keeps the server's data and log
  --headed           shows the browser`;

const SIZES = [...Object.keys(IMAGE_SIZES), 'mixed'] as const;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseLoadOptions(args: readonly string[]): LoadOptions | undefined {
  const { values } = parse(args);
  if (values.help) return undefined;
  const isNamed = values.scenario !== undefined;
  const files = wholeNumber('files', values.files ?? (isNamed ? '2000' : '200'), 100, 10_000);
  const size = oneOf('size', values.size, SIZES) as ImageSetSize;
  const chosen = oneOf('scenario', values.scenario ?? 'happy', [...SCENARIOS, 'all']);
  const timeoutSeconds =
    values.timeout === undefined
      ? defaultTimeoutSeconds(files, size)
      : wholeNumber('timeout', values.timeout, 1, 24 * 3600);
  return {
    files,
    size,
    scenarios: chosen === 'all' ? SCENARIOS : [chosen as Scenario],
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31 - 1),
    out: values.out,
    keep: values.keep,
    headed: values.headed,
    killEveryMs: wholeNumber('kill-every', values['kill-every'], 0, 3600) * 1000,
    timeoutMs: timeoutSeconds * 1000,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        files: { type: 'string' },
        size: { type: 'string', default: '256k' },
        scenario: { type: 'string' },
        seed: { type: 'string', default: '1' },
        out: { type: 'string' },
        timeout: { type: 'string' },
        'kill-every': { type: 'string', default: '30' },
        keep: { type: 'boolean', default: false },
        headed: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new LoadOptionError(error instanceof Error ? error.message : String(error));
  }
}

/** 2,000 small images in 30 minutes is the least that is asked of two cores; large ones take longer. */
function defaultTimeoutSeconds(files: number, size: ImageSetSize): number {
  const megabytes = (size === 'mixed' ? 2.5 * 1024 ** 2 : IMAGE_SIZES[size]) / 1024 ** 2;
  return Math.ceil(90 + files * 0.9 * Math.max(1, megabytes));
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
    throw new LoadOptionError(
      `--${name} takes a whole number from ${min} to ${max}, not "${text}"`,
    );
  }
  return value;
}

function oneOf<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) {
    throw new LoadOptionError(`--${name} takes one of ${choices.join(', ')}, not "${text}"`);
  }
  return choice;
}
