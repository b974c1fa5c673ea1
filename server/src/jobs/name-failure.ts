/**
 * What to call an unexpected error where people see it: its errno code (`ENOSPC`) or its class. The
 * message may name paths, hosts or keys; it goes to the log.
 */
export function nameFailure(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
