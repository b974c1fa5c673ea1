/** Nobody is made to wait longer, whatever an answer asks. */
const MAX_RETRY_AFTER_MS = 10 * 60_000;

/**
 * Milliseconds that an answer asks to wait: Retry-After in seconds or as an HTTP date (RFC 9110,
 * 10.2.3). A date is read against the answer's own Date header, because the client's clock may be
 * wrong. At most 10 minutes; undefined when there is nothing to read.
 */
export function parseRetryAfterMs(
  retryAfter: string | null | undefined,
  responseDate: string | null | undefined,
  epochNowMs: number,
): number | undefined {
  if (!retryAfter) return undefined;
  const trimmed = retryAfter.trim();
  if (/^\d+$/.test(trimmed)) return Math.min(Number(trimmed) * 1_000, MAX_RETRY_AFTER_MS);
  const until = Date.parse(trimmed);
  if (Number.isNaN(until)) return undefined;
  const serverNow = responseDate ? Date.parse(responseDate) : Number.NaN;
  const waitMs = until - (Number.isNaN(serverNow) ? epochNowMs : serverNow);
  return Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}
