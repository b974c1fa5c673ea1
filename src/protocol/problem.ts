import * as z from 'zod/mini';

/**
 * Every failure that crosses the wire, with its HTTP status, whether the same call may succeed
 * later, and a title. Codes are stable: clients branch on them, never on the text.
 */
export const PROBLEMS = {
  // The request as a whole
  invalid_json: { status: 400, isRetryable: false, title: 'The body is not JSON' },
  invalid_request: {
    status: 400,
    isRetryable: false,
    title: 'The request does not fit the schema',
  },
  unauthenticated: { status: 401, isRetryable: false, title: 'Sign in first' },
  forbidden_origin: {
    status: 403,
    isRetryable: false,
    title: 'This page may not call this server',
  },
  not_found: { status: 404, isRetryable: false, title: 'There is no such thing' },
  method_not_allowed: {
    status: 405,
    isRetryable: false,
    title: 'That method is not supported here',
  },
  batch_too_large: { status: 413, isRetryable: false, title: 'Too many files in one request' },
  body_too_large: { status: 413, isRetryable: false, title: 'The body is too large' },
  unsupported_media_type: { status: 415, isRetryable: false, title: 'Send application/json' },
  rate_limited: { status: 429, isRetryable: true, title: 'Too many uploads' },
  internal: { status: 500, isRetryable: true, title: 'The server failed' },
  unavailable: { status: 503, isRetryable: true, title: 'The server cannot answer right now' },
  // One file, before its bytes are sent
  empty_file: { status: 422, isRetryable: false, title: 'The file is empty' },
  file_too_large: { status: 413, isRetryable: false, title: 'The file is too large' },
  unsupported_type: { status: 415, isRetryable: false, title: 'Files of this type are not taken' },
  invalid_name: { status: 422, isRetryable: false, title: 'The file name cannot be stored' },
  client_id_conflict: {
    status: 409,
    isRetryable: false,
    title: 'The id already names another file',
  },
  quota_exceeded: { status: 429, isRetryable: false, title: 'The daily quota is used up' },
  // The PUT to the object store
  url_expired: { status: 403, isRetryable: true, title: 'The upload URL has expired' },
  url_invalid: { status: 403, isRetryable: false, title: 'The upload URL was altered' },
  already_exists: { status: 412, isRetryable: false, title: 'The object is already stored' },
  size_mismatch: { status: 400, isRetryable: false, title: 'The size is not the one promised' },
  checksum_mismatch: {
    status: 400,
    isRetryable: false,
    title: 'The bytes do not match the checksum',
  },
  // Finalize
  not_uploaded: { status: 409, isRetryable: true, title: 'The bytes have not arrived' },
  not_an_image: { status: 422, isRetryable: false, title: 'The bytes are not an image' },
  svg_refused: { status: 422, isRetryable: false, title: 'SVG files are not taken' },
  // Processing and embedding, as recorded on the asset
  undecodable: { status: 422, isRetryable: false, title: 'The image is damaged' },
  too_many_pixels: { status: 422, isRetryable: false, title: 'The image has too many pixels' },
  decoder_crashed: {
    status: 422,
    isRetryable: false,
    title: 'The image cannot be decoded safely',
  },
  missing_blob: { status: 410, isRetryable: true, title: 'The stored bytes are gone' },
  processing_failed: { status: 500, isRetryable: true, title: 'Processing failed' },
  embedding_failed: { status: 500, isRetryable: true, title: 'Embedding failed' },
  max_retries_exceeded: { status: 500, isRetryable: false, title: 'Max retries exceeded' },
} as const satisfies Record<string, { status: number; isRetryable: boolean; title: string }>;

/** A stable code of {@link PROBLEMS}. */
export type ProblemCode = keyof typeof PROBLEMS;

/** All codes of {@link PROBLEMS}. */
export const problemCodes = Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]];

/** `application/problem+json` (RFC 9457) with a stable `code`. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.enum(problemCodes),
  detail: z.string(),
  /** On 429 and 503: whole seconds to wait, as in the Retry-After header. */
  retryAfter: z.optional(z.number()),
  /** On 429 only: the same sentence as `detail`. */
  error: z.optional(z.string()),
});
/**
 * `application/problem+json` (RFC 9457) with a stable `code`.
 *
 * @interface
 */
export type Problem = z.infer<typeof problemSchema>;

/** A failure of one file within a batch. */
export const fileProblemSchema = z.object({ code: z.enum(problemCodes), detail: z.string() });
/**
 * A failure of one file within a batch.
 *
 * @interface
 */
export type FileProblem = z.infer<typeof fileProblemSchema>;
