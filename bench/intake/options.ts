import { parseArgs } from 'node:util';

export interface IntakeOptions {
  /** Numbers of files, ascending. */
  readonly files: readonly number[];
  /** Each measurement is taken so often; the quickest counts. */
  readonly runs: number;
  /** Uppy takes no more than so many: its time grows with the square. */
  readonly uppyFiles: number;
  /** Where the report goes as JSON. */
  readonly out: string | undefined;
  /** Where a CPU profile of the largest intake goes. */
  readonly profile: string | undefined;
}

/** A command line that cannot be meant. */
export class IntakeOptionError extends Error {
  override readonly name = 'IntakeOptionError';
}

export const USAGE = `npm run bench:intake -- [options]
  --files N,N,...    how many files are added (1000,10000,100000)
  --runs N           of each measurement; the quickest counts (3)
  --uppy-files N     the most that Uppy is given, 0 for none (10000)
  --out FILE         writes the report as JSON
  --profile FILE     writes a CPU profile of the largest intake, for DevTools`;

/** What the command line asks for; `undefined` when it asks for help. */
export function parseIntakeOptions(args: readonly string[]): IntakeOptions | undefined {
  const { values } = parse(args);
  if (values.help) return undefined;
  const files = values.files.split(',').map((text) => wholeNumber('files', text, 1, 1_000_000));
  return {
    files: files.sort((a, b) => a - b),
    runs: wholeNumber('runs', values.runs, 1, 20),
    uppyFiles: wholeNumber('uppy-files', values['uppy-files'], 0, 1_000_000),
    out: values.out,
    profile: values.profile,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        files: { type: 'string', default: '1000,10000,100000' },
        runs: { type: 'string', default: '3' },
        'uppy-files': { type: 'string', default: '10000' },
        out: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new IntakeOptionError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
    throw new IntakeOptionError(
      `--${name} takes whole numbers from ${min} to ${max}, not "${text}"`,
    );
  }
  return value;
}
