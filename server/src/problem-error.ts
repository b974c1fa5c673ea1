import { type FileProblem, PROBLEMS, type Problem, type ProblemCode } from 'bulkhead/protocol';

/** A failure with a stable code: it becomes an `application/problem+json` answer. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: ProblemCode;
  /** Whole seconds; on `rate_limited`, `quota_exceeded` and `unavailable`. */
  readonly retryAfterSeconds: number | undefined;
  /** More headers of the answer. */
  readonly headers: Record<string, string> | undefined;
  constructor(
    code: ProblemCode,
    detail?: string,
    options?: {
      cause?: unknown;
      retryAfterSeconds?: number;
      headers?: Record<string, string>;
    },
  ) {
    super(detail ?? PROBLEMS[code].title, options);
    this.code = code;
    this.retryAfterSeconds = options?.retryAfterSeconds;
    this.headers = options?.headers;
  }
}

/** One file's failure within a batch. The detail defaults to the code's title. */
export function fileProblem(code: ProblemCode, detail?: string): FileProblem {
  return { code, detail: detail ?? PROBLEMS[code].title };
}

/** RFC 9457, with our `code`. */
export function problemResponse(
  problem: { code: ProblemCode; detail?: string; retryAfterSeconds?: number | undefined },
  headers?: Record<string, string>,
): Response {
  const { status, title } = PROBLEMS[problem.code];
  const detail = problem.detail ?? title;
  const { retryAfterSeconds } = problem;
  const body: Problem = {
    // RFC 9457, 4.2.1: there is no page behind the type; `code` tells problems apart.
    type: 'about:blank',
    title,
    status,
    code: problem.code,
    detail,
    ...(retryAfterSeconds === undefined ? {} : { retryAfter: retryAfterSeconds }),
    ...(problem.code === 'rate_limited' ? { error: detail } : {}),
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }),
      ...headers,
    },
  });
}
