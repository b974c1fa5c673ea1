/** SQLSTATE classes that say "not now": connection, resources, an operator's intervention. */
const UNAVAILABLE_CLASSES = ['08', '53', '57P'];
const UNAVAILABLE_ERRNOS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/**
 * What `pg` and `pg-pool` say without a code, word for word: a connection that ended, and a pool whose
 * connections are all taken.
 */
const PG_MESSAGES = new Set([
  'Connection terminated',
  'Connection terminated unexpectedly',
  'Connection terminated due to connection timeout',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Cannot use a pool after calling end on the pool',
]);
/** serialization_failure, deadlock_detected: the same transaction may succeed at once. */
const CONFLICTS = new Set(['40001', '40P01']);

/**
 * The database cannot be reached, ends, or has no connection to spare. Nothing that was asked has
 * happened, or nobody knows; whoever asked may ask again.
 */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code === undefined) return PG_MESSAGES.has(error.message);
  return (
    UNAVAILABLE_ERRNOS.has(code) || UNAVAILABLE_CLASSES.some((prefix) => code.startsWith(prefix))
  );
}

/** The database undid the transaction because of another one. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && CONFLICTS.has(codeOf(error) ?? '');
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
