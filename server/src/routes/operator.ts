import { ProblemError } from '../problem-error.ts';
import { isBearer } from './bearer.ts';

/**
 * Lets only the operator pass: whoever sends the token as `Authorization: Bearer`, compared in
 * constant time. Without a token there is nothing here.
 * @throws {ProblemError} `not_found` when no token is configured, `unauthenticated` for a wrong one.
 */
export function createOperatorGuard(token: string | undefined): (request: Request) => void {
  return (request) => {
    if (token === undefined) throw new ProblemError('not_found', 'There is no such route');
    if (!isBearer(request, token)) {
      throw new ProblemError('unauthenticated', 'Send the operator token as Authorization: Bearer');
    }
  };
}
