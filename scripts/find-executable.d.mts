/** An environment variable names something that cannot be run. */
export class ExecutablePathError extends Error {}

/** What the variable names, else the first of `names` on PATH, else the first of `places`. */
export function findExecutable(where: {
  variable: string;
  names: readonly string[];
  places: readonly string[];
  env: Record<string, string | undefined>;
}): string | undefined;
