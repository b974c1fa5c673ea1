import { createHash, timingSafeEqual } from 'node:crypto';
import { ProblemError } from '../problem-error.ts';
import { refuseForeignOrigin } from './authorize.ts';

const SAFE_METHODS = new Set(['GET', 'HEAD']);

export interface OperatorOptions {
  /** What operators show, as `Authorization: Bearer <token>`, or as the password of `Basic`. */
  operatorToken?: string | undefined;
  /** Origins whose pages an operator may work from, beside this server's own. */
  allowedOrigins: readonly string[];
}

/**
 * Lets operators of the server pass, and nobody else.
 * @throws {ProblemError} `unauthenticated` for another token or none; `forbidden_origin` when a page of
 * another site sends something that changes anything; `not_found` where no token is set: then there are
 * no routes for operators.
 */
export type RequireOperator = (request: Request) => void;

export function createRequireOperator(options: OperatorOptions): RequireOperator {
  const { operatorToken, allowedOrigins } = options;
  const expected = operatorToken === undefined ? undefined : digest(operatorToken);
  return (request) => {
    if (!SAFE_METHODS.has(request.method)) refuseForeignOrigin(request, allowedOrigins);
    if (expected === undefined) throw new ProblemError('not_found', 'There is no such route');
    const shown = tokenOf(request.headers.get('authorization') ?? '');
    // Digests have one length, so that the time it takes tells nothing of the token.
    if (shown !== undefined && timingSafeEqual(digest(shown), expected)) return;
    // A person who opens such a page is asked for a password; a script of a page asks by itself.
    const isPerson = request.headers.get('sec-fetch-mode') === 'navigate';
    if (!isPerson) throw new ProblemError('unauthenticated', 'Show the operator token');
    throw new ProblemError('unauthenticated', 'Show the operator token', {
      headers: { 'WWW-Authenticate': 'Basic realm="Bulkhead", charset="UTF-8"' },
    });
  };
}

/** Of `Bearer <token>`, or of `Basic <user:token>` with any user. */
function tokenOf(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(Bearer|Basic) +(\S+)\s*$/i.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme === '') return undefined;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon === -1 ? undefined : pair.slice(colon + 1);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
