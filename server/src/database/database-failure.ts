/** SQLSTATE classes and codes of a server that is away, full, or about to go: it may be back soon. */
const UNAVAILABLE_STATES = /^(?:08...|53...|57P0[1-5]|25P03)$/;
/** Another transaction was in the way, and this one was rolled back whole: it may simply run again. */
const CONFLICT_STATES = new Set(['40001', '40P01']);
/** Of sockets and name servers, as Node names them. */
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** `pg` and its pool give these no code: no connection was free in time, or it broke under a query. */
const PG_MESSAGES =
  /timeout exceeded when trying to connect|^timeout expired$|^Connection terminated|connection error and is not queryable|Client was closed and is not queryable|^Cannot use a pool after calling end/;

/** The database cannot answer now; what was asked may have happened or not. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  return (
    UNAVAILABLE_STATES.test(code) || NETWORK_CODES.has(code) || PG_MESSAGES.test(error.message)
  );
}

/** A deadlock or a serialization failure: nothing of the transaction happened. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && CONFLICT_STATES.has(codeOf(error));
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
