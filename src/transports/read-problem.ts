import {
  UploadError,
  type UploadErrorCode,
  type UploadErrorDetails,
} from '../errors/upload-error.ts';
import { problemSchema } from '../protocol/index.ts';
import { parseRetryAfterMs } from '../protocol/retry-after.ts';
import { parseJson } from './parse-json.ts';

/** An answer that is not a success, however it was received. */
export interface FailedAnswer {
  readonly status: number;
  readonly body: string;
  readonly header: (name: string) => string | null;
}

/** What S3 and its kin mean by the codes of their XML answers. */
const XML_CODES: Readonly<Record<string, UploadErrorCode>> = {
  BadDigest: 'checksum_mismatch',
  EntityTooLarge: 'file_too_large',
  ExpiredToken: 'url_expired',
  IncompleteBody: 'size_mismatch',
  InternalError: 'internal',
  InvalidAccessKeyId: 'store_misconfigured',
  PreconditionFailed: 'already_exists',
  RequestTimeTooSkewed: 'store_misconfigured',
  RequestTimeout: 'stalled',
  ServiceUnavailable: 'unavailable',
  SignatureDoesNotMatch: 'store_misconfigured',
  SlowDown: 'unavailable',
  XAmzContentSHA256Mismatch: 'checksum_mismatch',
};

/** Vercel Blob has no code for it: `{"error":{"code":"bad_request","message":"This blob already exists, …"}}`. */
const VERCEL_BLOB_EXISTS = /"message":\s*"[^"]*\bblob already exists\b/;

/**
 * What a failed answer means: by the code of its problem+json when it has one, by its status when it
 * comes from something else, such as a proxy or another store.
 */
export function toAnswerError(answer: FailedAnswer, epochNowMs: number): UploadError {
  const { status, header } = answer;
  const problem = problemSchema.safeParse(parseJson(answer.body));
  const retryAfterMs =
    parseRetryAfterMs(header('retry-after'), header('date'), epochNowMs) ??
    (problem.data?.retryAfter === undefined ? undefined : problem.data.retryAfter * 1_000);
  const details: UploadErrorDetails = {
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  if (problem.success) return new UploadError(problem.data.code, problem.data.detail, details);
  const xmlCode = XML_CODES[/<Code>([A-Za-z0-9]+)<\/Code>/.exec(answer.body)?.[1] ?? ''];
  if (xmlCode) return new UploadError(xmlCode, `The store answered ${status}.`, details);
  if (status === 400 && VERCEL_BLOB_EXISTS.test(answer.body)) {
    return new UploadError('already_exists', 'It is stored already.', details);
  }
  if (status === 401) return new UploadError('unauthenticated', 'Sign in first.', details);
  if (status === 403) return new UploadError('url_invalid', 'The answer was 403.', details);
  if (status === 412) return new UploadError('already_exists', 'It is stored already.', details);
  if (status === 429) return new UploadError('rate_limited', 'The answer was 429.', details);
  if (status === 503) return new UploadError('unavailable', 'The answer was 503.', details);
  if (status >= 500 || status === 408) {
    return new UploadError('internal', `The answer was ${status}.`, details);
  }
  return new UploadError('store_refused', `The answer was ${status}.`, details);
}
