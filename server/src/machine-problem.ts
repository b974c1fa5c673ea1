import { machineFailure } from './jobs/machine-failure.ts';
import { ProblemError } from './problem-error.ts';

/** A disk is seldom cleared faster. */
const RETRY_SECONDS = 30;

/**
 * What the machine is short of passes, and is no fault of the request: it becomes `unavailable` (503, Retry-After).
 * Anything else is returned as it is.
 */
export function fromMachine(error: unknown): unknown {
  if (error instanceof ProblemError || machineFailure(error) === undefined) return error;
  const detail = 'The server has no room for the file just now';
  return new ProblemError('unavailable', detail, {
    cause: error,
    retryAfterSeconds: RETRY_SECONDS,
  });
}
