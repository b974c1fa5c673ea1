import { SessionError } from './session-error.ts';
import type { SessionHost } from './session-host.ts';

/** Nobody waits for it: what it fails with is reported. */
export function quietly({ runtime, signal }: SessionHost, work: Promise<unknown>): void {
  work.catch((error: unknown) => {
    // Another tab was quicker: it has done the same, or goes on.
    if (error instanceof SessionError || signal.aborted) return;
    runtime.reportError(error);
  });
}
