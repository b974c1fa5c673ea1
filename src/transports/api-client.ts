import ky, { type KyInstance } from 'ky';
import type { z } from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { isHtmlPage } from './html-page.ts';
import { parseJson } from './parse-json.ts';
import { type FailedAnswer, toAnswerError } from './read-problem.ts';

/** Metadata calls only: they answer in well under a second or not at all. */
const TIMEOUT_MS = 30_000;

export interface ApiClientOptions {
  /** Where the server is mounted, without a trailing slash. '' is the page's own origin. */
  readonly baseUrl: string;
  /** Called before every request, for a bearer token that changes. */
  readonly headers?: () => Record<string, string> | Promise<Record<string, string>>;
  readonly credentials: RequestCredentials;
}

interface Call {
  readonly method: 'get' | 'post';
  readonly json?: unknown;
  readonly signal: AbortSignal;
}

interface Answer extends FailedAnswer {
  readonly isOk: boolean;
}

/** JSON to and from the server. Retries are the pipeline's business, not this client's. */
export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #runtime: Runtime;
  readonly #ky: KyInstance;

  constructor(options: ApiClientOptions, runtime: Runtime) {
    this.#options = options;
    this.#runtime = runtime;
    this.#ky = ky.create({
      retry: 0,
      // Ours holds for the body as well.
      timeout: false,
      throwHttpErrors: false,
      credentials: options.credentials,
      // A captive portal answers with a redirect to its own page: that is not our server.
      redirect: 'error',
    });
  }

  /**
   * POSTs `json` and checks the answer.
   *
   * @throws UploadError by the answer's code; `network_failed` without an answer;
   * `intercepted` when a portal's page came instead; `unexpected_response` when the answer is not the
   * server's
   */
  post<T extends z.ZodMiniType>(
    path: string,
    json: unknown,
    schema: T,
    signal: AbortSignal,
  ): Promise<z.output<T>> {
    return this.#call(path, { method: 'post', json, signal }, schema);
  }

  /** GETs, and checks the answer; errors as {@link post}. */
  get<T extends z.ZodMiniType>(path: string, schema: T, signal: AbortSignal): Promise<z.output<T>> {
    return this.#call(path, { method: 'get', signal }, schema);
  }

  async #call<T extends z.ZodMiniType>(
    path: string,
    request: Call,
    schema: T,
  ): Promise<z.output<T>> {
    const { isOk, ...received } = await this.#send(path, request);
    const { status, body } = received;
    if (!isOk) throw toAnswerError(received, this.#runtime.epochNow());
    const answer = schema.safeParse(parseJson(body));
    if (answer.success) return answer.data;
    if (isHtmlPage(body)) {
      const message = 'Something between this page and the server answered in its place.';
      throw new UploadError('intercepted', message, { status });
    }
    const message = `${path} did not answer as a Bulkhead server does.`;
    throw new UploadError('unexpected_response', message, { status });
  }

  async #send(path: string, { signal, ...request }: Call): Promise<Answer> {
    const controller = new AbortController();
    const abort = () => controller.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const timer = this.#runtime.setTimer(abort, TIMEOUT_MS);
    try {
      const headers = (await this.#options.headers?.()) ?? {};
      const response = await this.#ky(`${this.#options.baseUrl}${path}`, {
        ...request,
        headers,
        signal: controller.signal,
      });
      const { ok: isOk, status } = response;
      const header = (name: string) => response.headers.get(name);
      return { isOk, status, header, body: await response.text() };
    } catch (cause) {
      if (signal.aborted) throw new UploadError('cancelled', 'The request was cancelled.');
      const isTimeout = controller.signal.aborted;
      const what = isTimeout ? 'did not answer in time' : 'could not be reached';
      throw new UploadError('network_failed', `The server ${what}.`, { cause });
    } finally {
      this.#runtime.clearTimer(timer);
      signal.removeEventListener('abort', abort);
    }
  }
}
