import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { isHtmlPage } from './html-page.ts';
import { type FailedAnswer, toAnswerError } from './read-problem.ts';

/** Requests without a file's bytes: they answer in well under a second or not at all. */
const TIMEOUT_MS = 30_000;

export interface AnswerRequest {
  readonly url: string;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly credentials?: RequestCredentials;
  readonly cache?: RequestCache;
  readonly signal: AbortSignal;
}

export interface Answer extends FailedAnswer {
  readonly isOk: boolean;
}

/**
 * One small request, and whatever was answered.
 *
 * @throws UploadError `network_failed` without an answer, `intercepted` when a page for people came,
 * `cancelled`
 */
export async function fetchAnswer(request: AnswerRequest, runtime: Runtime): Promise<Answer> {
  const { url, signal, ...init } = request;
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  const timer = runtime.setTimer(abort, TIMEOUT_MS);
  try {
    const response = await fetch(url, { redirect: 'error', ...init, signal: controller.signal });
    const { ok: isOk, status } = response;
    const body = await response.text();
    if (isOk && isHtmlPage(body)) {
      const message = 'Something between this page and the server answered in its place.';
      throw new UploadError('intercepted', message, { status });
    }
    return { isOk, status, body, header: (name) => response.headers.get(name) };
  } catch (cause) {
    if (cause instanceof UploadError) throw cause;
    if (signal.aborted) throw new UploadError('cancelled', 'The request was cancelled.');
    const what = controller.signal.aborted ? 'did not answer in time' : 'could not be reached';
    throw new UploadError('network_failed', `The server ${what}.`, { cause });
  } finally {
    runtime.clearTimer(timer);
    signal.removeEventListener('abort', abort);
  }
}

/**
 * As {@link fetchAnswer}.
 *
 * @param expected statuses that tell something, too. Default: none
 * @throws UploadError also for every answer that is neither a success nor expected
 */
export async function fetchOk(
  request: AnswerRequest,
  runtime: Runtime,
  expected: readonly number[] = [],
): Promise<Answer> {
  const answer = await fetchAnswer(request, runtime);
  if (answer.isOk || expected.includes(answer.status)) return answer;
  throw toAnswerError(answer, runtime.epochNow());
}
