import { ProblemError } from '../problem-error.ts';

/** Who is asking, and a cookie to set when that was found out (or made up) just now. */
export interface Identity {
  userId: string;
  /** A whole `Set-Cookie` value. */
  setCookie?: string | undefined;
}

/**
 * Says whose request this is: the only thing the kit cannot know. `null` is answered with 401.
 * It is asked at every request, so keep it fast; every row and key is scoped by what it returns.
 */
export type Authorize = (request: Request) => Promise<string | null | Identity>;

export async function identify(authorize: Authorize, request: Request): Promise<Identity> {
  const answer = await authorize(request);
  const identity = typeof answer === 'string' ? { userId: answer } : answer;
  if (!identity?.userId) throw new ProblemError('unauthenticated');
  return identity;
}

/**
 * Cookies travel with requests that other sites make, so a request that changes something must
 * come from a page of this server's own host, or of an origin that was allowed. Requests without
 * an Origin are not made by pages.
 */
export function refuseForeignOrigin(request: Request, allowedOrigins: readonly string[]): void {
  const origin = request.headers.get('origin');
  if (origin === null || allowedOrigins.includes(origin)) return;
  // The host only: behind a proxy that ends TLS, this server sees http where the page has https.
  const host = URL.canParse(origin) ? new URL(origin).host : '';
  if (host === '' || host !== new URL(request.url).host) throw new ProblemError('forbidden_origin');
}
