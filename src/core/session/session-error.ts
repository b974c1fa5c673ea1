/**
 * Why a session cannot be resumed or discarded.
 *
 * - `elsewhere`: another tab works on it
 * - `not_found`: it was finished or discarded meanwhile
 */
export type SessionErrorCode = 'elsewhere' | 'not_found';

const MESSAGES: Readonly<Record<SessionErrorCode, string>> = {
  elsewhere: 'Another tab is working on these uploads. Go on there, or close it.',
  not_found: 'These uploads were finished or discarded meanwhile.',
};

/** What `sessions.resume()` and `sessions.discard()` reject with. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  readonly code: SessionErrorCode;

  constructor(code: SessionErrorCode) {
    super(MESSAGES[code]);
    this.code = code;
  }
}
