/**
 * Why the journal cannot keep something.
 *
 * - `unavailable`: the browser lets this page store nothing, as in some private windows
 * - `blocked`: another tab keeps an older version of the database open
 * - `newer_version`: a newer version of the page has changed the database
 * - `quota`: there is no room left
 * - `failed`: the browser's storage failed, twice
 * - `closed`: the journal was closed by this page
 */
export type JournalErrorCode =
  | 'unavailable'
  | 'blocked'
  | 'newer_version'
  | 'quota'
  | 'failed'
  | 'closed';

const MESSAGES: Readonly<Record<JournalErrorCode, string>> = {
  unavailable: 'This browser lets the page store nothing, as in some private windows.',
  blocked:
    'Another tab keeps an older version of this page’s database open. Close the other tabs, then reload.',
  newer_version:
    'A newer version of this page has changed the database in this browser. Reload the page.',
  quota: 'There is no room left in this browser’s storage.',
  failed: 'The browser’s storage failed.',
  closed: 'The journal was closed.',
};

/** What the journal rejects with. `cause` is what the browser said, if it said anything. */
export class JournalError extends Error {
  override readonly name = 'JournalError';
  readonly code: JournalErrorCode;

  constructor(code: JournalErrorCode, cause?: unknown) {
    const said = cause instanceof Error || cause instanceof DOMException ? ` (${cause.name})` : '';
    super(MESSAGES[code] + said, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

const CODES: Readonly<Record<string, JournalErrorCode>> = {
  QuotaExceededError: 'quota',
  SecurityError: 'unavailable',
  VersionError: 'newer_version',
};

/** The browser's name for what went wrong; empty where it gave none, as WebKit does of Blobs. */
export function causeName(error: JournalError): string {
  const { cause } = error;
  return cause instanceof Error || cause instanceof DOMException ? cause.name : '';
}

/** Anything that storage threw, as a {@link JournalError}; `otherwise` where its name says nothing. */
export function toJournalError(
  cause: unknown,
  otherwise: JournalErrorCode = 'failed',
): JournalError {
  if (cause instanceof JournalError) return cause;
  const error = new JournalError(otherwise, cause);
  const code = CODES[causeName(error)];
  return code === undefined ? error : new JournalError(code, cause);
}
