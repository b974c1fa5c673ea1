import { ProblemError } from '../problem-error.ts';
import { isConflict, isUnavailable } from './database-failure.ts';

/** Long enough for a failover to get somewhere, short enough that nobody waits for nothing. */
const UNAVAILABLE_SECONDS = 2;
const CONFLICT_SECONDS = 1;

/**
 * An outage of the database is no failure of the request: it becomes `unavailable` (503, Retry-After), and
 * so does a conflict that was retried in vain. Anything else is returned as it is.
 */
export function fromDatabase(error: unknown): unknown {
  if (isUnavailable(error)) {
    const detail = 'The database cannot be reached right now';
    const options = { cause: error, retryAfterSeconds: UNAVAILABLE_SECONDS };
    return new ProblemError('unavailable', detail, options);
  }
  if (!isConflict(error)) return error;
  return new ProblemError('unavailable', 'Too much happened at once', {
    cause: error,
    retryAfterSeconds: CONFLICT_SECONDS,
  });
}
