import type { Runtime } from '../runtime/runtime.ts';
import { StallTimer } from './stall-timer.ts';

/** What one hash may use and must heed. */
export interface HashContext {
  readonly runtime: Runtime;
  readonly signal: AbortSignal;
}

/** Nothing came for too long. */
export class StalledError extends Error {
  override readonly name = 'StalledError';
}

/**
 * The result of `work`, unless it takes longer than `limitMs` or the signal comes first: promises of
 * the browser cannot be ended, only left behind.
 *
 * @throws StalledError, or the signal's reason
 */
export function patiently<T>(
  work: Promise<T>,
  limitMs: number,
  { runtime, signal }: HashContext,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      timer.stop();
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (cause: unknown) => {
      settle();
      reject(cause);
    };
    const onAbort = () => fail(signal.reason);
    const timer = new StallTimer(runtime, limitMs, () =>
      fail(new StalledError(`Nothing came for ${limitMs / 1_000} s`)),
    );
    work.then((value) => {
      settle();
      resolve(value);
    }, fail);
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort);
    timer.restart();
  });
}
