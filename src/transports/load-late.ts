import { UploadError } from '../errors/upload-error.ts';
import { isHostReachable } from './reach-host.ts';

/** A part of an adapter that is loaded when it is needed. */
export interface LatePart<T> {
  /** Loads it, with the first call. @throws UploadError; the next call tries again */
  get(): Promise<T>;
  /** What was loaded, or is being loaded. */
  readonly current: Promise<T> | undefined;
}

/**
 * What sends large files: most pages never have one. Where it cannot be loaded, `get` fails with
 * `network_failed`, which is waited out. If the page's own host answers, waiting does not help: the files of the
 * page were replaced by another version's, or it is Firefox, which loads nothing that once failed until the page
 * is reloaded. Then it is `unexpected_response`, which the upload pays for.
 *
 * @param load such as `() => import('./bulkhead-multipart.ts')`
 * @param create what is needed of it; called once
 */
export function loadLate<M, T>(load: () => Promise<M>, create: (module: M) => T): LatePart<T> {
  let current: Promise<T> | undefined;
  const failed = async (cause: unknown): Promise<never> => {
    current = undefined;
    const code = (await isHostReachable('/')) ? 'unexpected_response' : 'network_failed';
    throw new UploadError(code, 'What sends large files could not be loaded.', { cause });
  };
  return {
    get() {
      current ??= load().then(create, failed);
      return current;
    },
    get current() {
      return current;
    },
  };
}
