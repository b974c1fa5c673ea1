import type { UploadError, UploadErrorCode } from '../../errors/upload-error.ts';
import type { Credential } from '../../protocol/index.ts';

const API_FIXES: Partial<Record<UploadErrorCode, string>> = {
  unauthenticated:
    'Sign in. Where the session is a cookie and the API has another origin, pass `credentials: "include"` to the ' +
    'adapter; where it is a token, pass `headers`.',
  forbidden_origin:
    'Add this page’s origin to `allowedOrigins` of the server. Where both seem to have one origin, a proxy between them ' +
    'changes `Host`, as Vite’s does unless it is told `changeOrigin: false`: let it hand `Host` on as it came.',
  network_failed:
    'Check the adapter’s `baseUrl`, and that the server runs. An API of another origin must allow this page in its ' +
    'CORS rules (`allowedOrigins` of the server).',
  intercepted:
    'A page of HTML came instead of the API’s answer: a development server or a hotel’s portal. Let `/api` reach the ' +
    'Bulkhead server (a proxy rule), or sign in to the network.',
  unexpected_response: 'Check the adapter’s `baseUrl`: what answers there is no Bulkhead server.',
  not_found: 'Check the adapter’s `baseUrl` and the path under which the server is mounted.',
  method_not_allowed: 'Check the adapter’s `baseUrl`: what answers there is no Bulkhead server.',
  store_refused: 'Check the adapter’s `baseUrl` and the path under which the server is mounted.',
  rate_limited: 'Wait, or raise the server’s `rateLimitCapacity` and `rateLimitPerMinute`.',
  quota_exceeded: 'Raise the server’s `maxFilesPerDay` or `maxBytesPerDay`, or wait for tomorrow.',
  unavailable: 'The server is there and cannot answer: look at its `/readyz` and its log.',
  internal: 'Look at the server’s log: it has the request’s id.',
};

const STORE_FIXES: Partial<Record<UploadErrorCode, string>> = {
  url_expired: 'The clocks of the server and of the store differ: set both by NTP.',
  url_invalid:
    'The store refuses what the server signs: check its key, region, bucket and endpoint.',
  store_misconfigured:
    'The store refuses what the server signs: check the server’s access key, region and clock.',
  store_refused: 'Look at what the store answered: its bucket policy may forbid the PUT.',
  checksum_mismatch: 'Something on the way changes bodies: a proxy or an extension.',
  size_mismatch: 'Something on the way changes bodies: a proxy or an extension.',
  intercepted: 'Something on the way answers in the store’s place: a proxy or a hotel’s portal.',
  unavailable: 'The store asks to wait: try again later.',
};

/** What to change when the API fails so. */
export function apiFix({ code }: UploadError): string | undefined {
  return API_FIXES[code];
}

/**
 * What to change when the store fails so.
 *
 * @param request what the store was sent
 * @param isReachable whether its host answers at all
 */
export function storeFix(
  { code }: UploadError,
  request: Pick<Credential, 'method' | 'headers'>,
  isReachable: boolean | undefined,
  origin: string,
): string | undefined {
  if (code !== 'network_failed' && code !== 'store_blocked') return STORE_FIXES[code];
  if (isReachable === false) {
    return 'The store’s host does not answer: check its address (`publicEndpoint`), firewalls and extensions.';
  }
  const names = Object.keys(request.headers).join(', ') || '(none)';
  return (
    'The store is there and does not let this page write. Give its bucket a CORS rule: ' +
    `AllowedOrigins ${origin}, AllowedMethods ${request.method}, AllowedHeaders ${names}. An extension may block it too.`
  );
}
