/**
 * Why a session cannot be resumed or discarded, or a permission not be asked for.
 *
 * - `elsewhere`: another tab works on it
 * - `not_found`: it was finished or discarded meanwhile
 * - `needs_click`: the browser asks the person only on a click, and it has been too long since one
 */
export type SessionErrorCode = 'elsewhere' | 'not_found' | 'needs_click';

const MESSAGES: Readonly<Record<SessionErrorCode, string>> = {
  elsewhere: 'Another tab is working on these uploads. Go on there, or close it.',
  not_found: 'These uploads were finished or discarded meanwhile.',
  needs_click:
    'The browser did not ask the person: call requestPermission() in the handler of a click, and again on ' +
    'another click for folders that are left.',
};

/** What the methods of `uploader.sessions` reject with. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  readonly code: SessionErrorCode;

  constructor(code: SessionErrorCode) {
    super(MESSAGES[code]);
    this.code = code;
  }
}
