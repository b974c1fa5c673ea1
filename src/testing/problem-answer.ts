import { PROBLEMS, type ProblemCode } from '../protocol/index.ts';

/** What is answered: everything but the headers that every answer has. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export function jsonAnswer(value: unknown): Answer {
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  return { status: 200, headers, body: JSON.stringify(value) };
}

/** problem+json (RFC 9457) as the server kit writes it. */
export function problemAnswer(
  code: ProblemCode,
  detail: string = PROBLEMS[code].title,
  options: { status?: number; headers?: Readonly<Record<string, string>> } = {},
): Answer {
  const { status = PROBLEMS[code].status, headers = {} } = options;
  const retryAfter = Number(headers['retry-after']);
  const problem = {
    type: 'about:blank',
    title: PROBLEMS[code].title,
    status,
    code,
    detail,
    ...(status === 429 ? { error: detail } : {}),
    ...(retryAfter > 0 ? { retryAfter } : {}),
  };
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify(problem),
  };
}

/** What a hotel's network says to everything. */
export const CAPTIVE_PORTAL: Answer = {
  status: 200,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  body: '<!doctype html><title>Welcome</title><form>Accept the terms to go online</form>',
};
