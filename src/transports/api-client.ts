import ky, { type KyInstance, TimeoutError } from 'ky';
import type { z } from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { isHtmlPage } from './html-page.ts';
import { parseJson } from './parse-json.ts';
import { toAnswerError } from './read-problem.ts';

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
      timeout: TIMEOUT_MS,
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
    const response = await this.#send(path, request);
    const body = await response.text();
    if (!response.ok) {
      const { status, headers } = response;
      const header = (name: string) => headers.get(name);
      throw toAnswerError({ status, body, header }, this.#runtime.epochNow());
    }
    const answer = schema.safeParse(parseJson(body));
    if (answer.success) return answer.data;
    if (isHtmlPage(body)) {
      const message = 'Something between this page and the server answered in its place.';
      throw new UploadError('intercepted', message, { status: response.status });
    }
    const message = `${path} did not answer as a Bulkhead server does.`;
    throw new UploadError('unexpected_response', message, { status: response.status });
  }

  async #send(path: string, request: Call): Promise<Response> {
    try {
      const headers = (await this.#options.headers?.()) ?? {};
      return await this.#ky(`${this.#options.baseUrl}${path}`, { ...request, headers });
    } catch (cause) {
      if (request.signal.aborted) throw new UploadError('cancelled', 'The request was cancelled.');
      const what =
        cause instanceof TimeoutError ? 'did not answer in time' : 'could not be reached';
      throw new UploadError('network_failed', `The server ${what}.`, { cause });
    }
  }
}
