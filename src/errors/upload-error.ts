import { PROBLEMS, type ProblemCode } from '../protocol/problem.ts';

/** The cause in a person's terms. */
export type FailureKind = 'rate_limit' | 'network' | 'server' | 'invalid' | 'unknown';

/** What the machine does about it; see `docs/errors.md`. */
export type FailureAction =
  /** The other side asks for less: the lane waits, no attempt is spent. */
  | 'throttle'
  /** May pass by itself: try again after a backoff. */
  | 'transient'
  /** The credential is used up: get another one, no attempt is spent. */
  | 'refresh'
  /** The bytes are not where they should be: send them again. */
  | 'conflict'
  /** The object is stored already: go on to finalize. */
  | 'exists'
  /** Nothing can go on until somebody acts: everything pauses, no attempt is spent. */
  | 'halt'
  /** Will not change by trying again. */
  | 'permanent';

/** Failures that arise in the browser, next to those of the wire ({@link PROBLEMS}). */
const LOCAL_CODES = {
  network_failed: { kind: 'network', action: 'transient' },
  stalled: { kind: 'network', action: 'transient' },
  intercepted: { kind: 'network', action: 'transient' },
  unexpected_response: { kind: 'server', action: 'transient' },
  store_refused: { kind: 'invalid', action: 'permanent' },
  store_blocked: { kind: 'network', action: 'halt' },
  store_misconfigured: { kind: 'server', action: 'halt' },
  file_unreadable: { kind: 'invalid', action: 'permanent' },
  file_changed: { kind: 'invalid', action: 'permanent' },
  too_many_files: { kind: 'invalid', action: 'permanent' },
  total_too_large: { kind: 'invalid', action: 'permanent' },
  hashing_failed: { kind: 'unknown', action: 'transient' },
  cancelled: { kind: 'unknown', action: 'permanent' },
  unexpected: { kind: 'unknown', action: 'transient' },
} as const satisfies Record<string, { kind: FailureKind; action: FailureAction }>;

/** Where the action does not follow from "is it retryable". */
const WIRE_ACTIONS: Partial<Record<ProblemCode, FailureAction>> = {
  rate_limited: 'throttle',
  unavailable: 'throttle',
  unauthenticated: 'halt',
  url_expired: 'refresh',
  url_invalid: 'refresh',
  not_uploaded: 'conflict',
  // A reservation that the server no longer has, after a restore from a backup: reserve anew.
  not_found: 'conflict',
  already_exists: 'exists',
};

/** Every code an {@link UploadError} can have. */
export type UploadErrorCode = ProblemCode | keyof typeof LOCAL_CODES;

/** Looks up what a code means: the one table that retry reads. */
export function classifyCode(code: UploadErrorCode): { kind: FailureKind; action: FailureAction } {
  if (code in LOCAL_CODES) return LOCAL_CODES[code as keyof typeof LOCAL_CODES];
  const wireCode = code as ProblemCode;
  const { status, isRetryable } = PROBLEMS[wireCode];
  const action = WIRE_ACTIONS[wireCode] ?? (isRetryable ? 'transient' : 'permanent');
  const kind = status === 429 ? 'rate_limit' : status >= 500 ? 'server' : 'invalid';
  return { kind, action };
}

/** Why an upload failed, as plain data: cloneable, storable, without URLs or tokens. */
export interface UploadFailure {
  readonly code: UploadErrorCode;
  readonly kind: FailureKind;
  /** One sentence that names what was wrong. */
  readonly message: string;
  /** HTTP status, when an answer came. */
  readonly status?: number;
}

export interface UploadErrorDetails {
  readonly status?: number;
  /** How long the other side asked to wait. */
  readonly retryAfterMs?: number;
  /** Overrides the table's action, for answers whose status says more than their code. */
  readonly action?: FailureAction;
  readonly cause?: unknown;
}

/** The one error class of the SDK. `code` says what happened; `docs/errors.md` what it means. */
export class UploadError extends Error {
  override readonly name = 'UploadError';
  readonly code: UploadErrorCode;
  readonly kind: FailureKind;
  readonly action: FailureAction;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: UploadErrorCode, message: string, details: UploadErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const { kind, action } = classifyCode(code);
    this.code = code;
    this.kind = kind;
    this.action = details.action ?? action;
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
  }

  /** Whether the pipeline tries again by itself. */
  get isRetryable(): boolean {
    return this.action !== 'permanent';
  }

  /** The plain form, for rows, events and storage. */
  toFailure(): UploadFailure {
    const { code, kind, message, status } = this;
    return status === undefined ? { code, kind, message } : { code, kind, message, status };
  }
}

/**
 * An {@link UploadError}, or what says the same as plain data, as JSON does: `{ code, message? }` of a known code.
 *
 * @returns undefined for anything else
 */
export function toKnownError(value: unknown): UploadError | undefined {
  if (value instanceof UploadError) return value;
  const { code, message } = Object(value) as { code?: unknown; message?: unknown };
  if (typeof code !== 'string') return undefined;
  if (!Object.hasOwn(LOCAL_CODES, code) && !Object.hasOwn(PROBLEMS, code)) return undefined;
  const text = typeof message === 'string' ? message : 'The backend refused the file.';
  return new UploadError(code as UploadErrorCode, text, { cause: value });
}

/** Anything thrown, as an {@link UploadError}. */
export function toUploadError(error: unknown): UploadError {
  if (error instanceof UploadError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new UploadError('unexpected', message, { cause: error });
}
