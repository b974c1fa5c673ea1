import { EmbeddingError } from './embedder.ts';

const MAX_DETAIL = 200;

/**
 * What an HTTP answer of a provider means. It throttles (429); it is down, or refuses everybody who comes
 * with this key, to this address (5xx, 408, 401, 402, 403, 404): not the image's fault; or it refuses this
 * request (any other 4xx).
 *
 * @param detail the provider's own words; images and everything after the first 200 letters are left out
 */
export function errorOfStatus(
  provider: string,
  status: number,
  retryAfter: string | null | undefined,
  detail: unknown,
  cause: unknown,
): EmbeddingError {
  const said = sayBriefly(detail);
  const message = `${provider} answered ${status}${said ? `: ${said}` : ''}`;
  const retryAfterSeconds = retryAfterOf(retryAfter);
  if (status === 429) return new EmbeddingError(message, 'throttled', { cause, retryAfterSeconds });
  if (status >= 500 || REFUSES_ALL.has(status)) {
    return new EmbeddingError(message, 'unavailable', { cause, retryAfterSeconds });
  }
  return new EmbeddingError(message, 'permanent', { cause });
}

const REFUSES_ALL = new Set([401, 402, 403, 404, 407, 408]);

/** No answer came: refused, reset, timed out. */
export function errorOfSilence(provider: string, cause: unknown): EmbeddingError {
  const code = codeOf(cause);
  return new EmbeddingError(
    `${provider} did not answer${code ? ` (${code})` : ''}`,
    'unavailable',
    {
      cause,
    },
  );
}

/** Seconds from now, of a number or a date (RFC 9110, 10.2.3). */
export function retryAfterOf(header: string | null | undefined, nowMs = Date.now()) {
  if (header === null || header === undefined || header.trim() === '') return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, Math.ceil((atMs - nowMs) / 1000));
}

/** Shown on the asset: never the image, and not more than a sentence. */
export function sayBriefly(detail: unknown): string {
  const text = typeof detail === 'string' ? detail : '';
  const clean = text.replaceAll(/data:[^\s"']+/g, 'data:…').replaceAll(/\s+/g, ' ');
  return clean.length > MAX_DETAIL ? `${clean.slice(0, MAX_DETAIL)}…` : clean;
}

/** Behind `fetch failed`, Node keeps the errno code. */
function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if (at.name === 'TimeoutError') return 'timeout';
  }
  return undefined;
}
