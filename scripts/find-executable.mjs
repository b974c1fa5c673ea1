import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

/** An environment variable names something that cannot be run. */
export class ExecutablePathError extends Error {
  name = 'ExecutablePathError';
}

/**
 * What the variable names, else the first of `names` on PATH, else the first of `places`.
 *
 * @param {{ variable: string, names: readonly string[], places: readonly string[], env: NodeJS.ProcessEnv }} where
 * @returns {string | undefined}
 */
export function findExecutable({ variable, names, places, env }) {
  const named = env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new ExecutablePathError(`${variable} is ${named}, which is not an executable file`);
  }
  const folders = (env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const onPath = names.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [...onPath, ...places].find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
