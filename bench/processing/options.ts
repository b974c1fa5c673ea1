import { parseArgs } from 'node:util';
import { IMAGE_FOLDERS } from './image-folder.ts';

export const ENGINES = ['pglite', 'postgres'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface ProcessingOptions {
  readonly engines: readonly EngineName[];
  /** Names of the image folders to measure. */
  readonly sets: readonly string[];
  /** Each side has its turn so often; the median counts. */
  readonly rounds: number;
  /** Images decoded at once, on either side. */
  readonly concurrency: number;
  /** Images among the others that kill their decoder. */
  readonly poison: number;
  /** Where the report goes as JSON. */
  readonly out: string | undefined;
}

/** A command line that cannot be meant. */
export class ProcessingOptionError extends Error {
  override readonly name = 'ProcessingOptionError';
}

export const USAGE = `npm run bench:processing -- [options]
  --engines NAME,...  of pglite, postgres (both)
  --sets NAME,...     of ${IMAGE_FOLDERS.map(({ name }) => name).join(', ')} (all of them)
  --rounds N          turns of each side; the median counts (3)
  --concurrency N     images decoded at once, on either side (2)
  --poison N          images among the others that kill their decoder (0)
  --out FILE          writes the report as JSON`;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseProcessingOptions(args: readonly string[]): ProcessingOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  return {
    engines: pick('--engines', values.engines, ENGINES),
    sets: pick(
      '--sets',
      values.sets,
      IMAGE_FOLDERS.map(({ name }) => name),
    ),
    rounds: whole('--rounds', values.rounds, 1),
    concurrency: whole('--concurrency', values.concurrency, 1),
    poison: whole('--poison', values.poison, 0),
    out: values.out,
  };
}

function pick<Name extends string>(
  option: string,
  value: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  const names = value?.split(',') ?? known;
  const unknown = names.find((name) => !known.some((other) => other === name));
  if (unknown === undefined) return names as readonly Name[];
  throw new ProcessingOptionError(`${option}: there is no "${unknown}", but ${known.join(', ')}`);
}

function whole(option: string, value: string, least: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least && number <= 99) return number;
  throw new ProcessingOptionError(
    `${option} takes whole numbers from ${least} to 99, not "${value}"`,
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        engines: { type: 'string' },
        sets: { type: 'string' },
        rounds: { type: 'string', default: '3' },
        concurrency: { type: 'string', default: '2' },
        poison: { type: 'string', default: '0' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new ProcessingOptionError(error instanceof Error ? error.message : String(error));
  }
}
