import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { wait } from './part-retry.ts';

/**
 * The result of `work`, unless it takes longer than `limitMs`, or the signal comes first: a read of the browser
 * cannot be ended, only left behind.
 *
 * @throws UploadError `stalled` or `cancelled`
 */
export function within<T>(
  work: Promise<T>,
  limitMs: number,
  { signal, runtime }: { readonly signal: AbortSignal; readonly runtime: Runtime },
): Promise<T> {
  const over = new AbortController();
  const end = () => over.abort();
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const late = wait(limitMs, over.signal, runtime).then(() => {
    throw new UploadError('stalled', 'The file could not be read: its drive does not answer.');
  });
  return Promise.race([work, late]).finally(() => {
    signal.removeEventListener('abort', end);
    end();
    // Nobody looks at it any more.
    late.catch(() => {});
  });
}
