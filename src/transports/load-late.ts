import { UploadError } from '../errors/upload-error.ts';

/** A part of an adapter that is loaded when it is needed. */
export interface LatePart<T> {
  /** Loads it, with the first call. @throws UploadError `network_failed`; the next call tries again */
  get(): Promise<T>;
  /** What was loaded, or is being loaded. */
  readonly current: Promise<T> | undefined;
}

/**
 * What sends large files: most pages never have one.
 *
 * @param load such as `() => import('./bulkhead-multipart.ts')`
 * @param create what is needed of it; called once
 */
export function loadLate<M, T>(load: () => Promise<M>, create: (module: M) => T): LatePart<T> {
  let current: Promise<T> | undefined;
  const failed = (cause: unknown): never => {
    current = undefined;
    const message = 'What sends large files could not be loaded.';
    throw new UploadError('network_failed', message, { cause });
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
