import { OptionsError } from '../config.ts';

/**
 * Loads a part whose library is the user's to install.
 * @throws {OptionsError} that says what to install, when that library is not there
 */
export async function optionalPart<T>(
  packages: readonly string[],
  why: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    const install = `npm install ${packages.join(' ')}`;
    throw new OptionsError(`${why}, which needs a package that is not here: ${install}`, { cause });
  }
}
