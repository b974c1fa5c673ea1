import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Of one part, the first included. */
export const PART_ATTEMPTS = 5;
const BASE_DELAY_MS = 500;
/** Of the schedule; an answer may ask for more. */
const MAX_DELAY_MS = 15_000;

/**
 * How long until the part is sent again: what the answer asked for, else up to 0.5 s, 1 s, 2 s … at random.
 *
 * @param attempt the one that failed, from 1
 */
export function partDelayMs(error: UploadError, attempt: number, random: number): number {
  const schedule = random * Math.min(BASE_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
  return Math.max(error.retryAfterMs ?? 0, schedule);
}

/** @throws UploadError `cancelled` as soon as the signal is aborted */
export function wait(delayMs: number, signal: AbortSignal, runtime: Runtime): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      runtime.clearTimer(timer);
      reject(new UploadError('cancelled', 'The upload was cancelled.'));
    };
    const timer = runtime.setTimer(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, delayMs);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
  });
}
