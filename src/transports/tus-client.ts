import { OptionError } from '../errors/option-error.ts';
import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Answer, type AnswerRequest, fetchOk } from './fetch-answer.ts';
import type { HeadersOption } from './option-shapes.ts';
import { type SendAnswer, xhrSend } from './xhr-put.ts';

const VERSION = { 'tus-resumable': '1.0.0' };
/** The server does not have the upload. */
export const GONE: readonly number[] = [404, 410];
const BYTES = { 'content-type': 'application/offset+octet-stream' };

export interface TusCreation {
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The first bytes, in the same request. */
  readonly body?: Blob;
}

export interface TusSending {
  readonly signal: AbortSignal;
  readonly onProgress: (sentBytes: number) => void;
}

/** Where the next byte belongs. */
export interface TusUpload {
  readonly location: string;
  readonly offset: number;
}

/** The requests of tus 1.0 (https://tus.io/protocols/resumable-upload) that a client makes. */
export class TusClient {
  readonly #endpoint: string;
  readonly #headers: HeadersOption;
  readonly #runtime: Runtime;

  constructor(endpoint: string, headers: HeadersOption, runtime: Runtime) {
    this.#endpoint = urlOf(endpoint);
    this.#headers = headers;
    this.#runtime = runtime;
  }

  /** POST, with bytes where there are some (creation-with-upload). */
  async create(creation: TusCreation, sending: TusSending): Promise<TusUpload> {
    const { sizeBytes, metadata, body } = creation;
    const encoded = Object.entries(metadata).map(([key, value]) => `${key} ${toBase64(value)}`);
    const headers = {
      'upload-length': String(sizeBytes),
      ...(encoded.length > 0 ? { 'upload-metadata': encoded.join(',') } : {}),
    };
    const answer = body
      ? await this.#sendBytes('POST', this.#endpoint, headers, body, sending)
      : await this.#ask('POST', this.#endpoint, headers, sending.signal);
    const location = answer.header('location');
    if (location === null) {
      const message = 'The answer shows no Location. Its CORS rules must expose it.';
      throw new UploadError('store_misconfigured', message, { status: answer.status });
    }
    const offset = body ? offsetOf(answer) : 0;
    return { location: new URL(location, this.#endpoint).href, offset };
  }

  /** HEAD. @returns undefined when the server no longer has it */
  async offset(location: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#ask('HEAD', location, {}, signal, GONE);
    return answer.isOk ? offsetOf(answer) : undefined;
  }

  /** PATCH. @returns the new offset */
  async append({ location, offset }: TusUpload, body: Blob, sending: TusSending): Promise<number> {
    const headers = { 'upload-offset': String(offset) };
    return offsetOf(await this.#sendBytes('PATCH', location, headers, body, sending));
  }

  /** DELETE (termination). What is gone already is no failure, nor is a server that cannot. */
  async terminate(location: string): Promise<void> {
    const { signal } = new AbortController();
    await this.#ask('DELETE', location, {}, signal, [...GONE, 405, 501]);
  }

  async #ask(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    expected?: readonly number[],
  ): Promise<Answer> {
    const all = { ...(await this.#headers()), ...VERSION, ...headers };
    const request: AnswerRequest = { url, method, headers: all, cache: 'no-store', signal };
    return fetchOk(request, this.#runtime, expected).catch(meaning);
  }

  async #sendBytes(
    method: string,
    uploadUrl: string,
    headers: Readonly<Record<string, string>>,
    body: Blob,
    sending: TusSending,
  ): Promise<SendAnswer> {
    const all = { ...(await this.#headers()), ...VERSION, ...headers, ...BYTES };
    const credential = { uploadUrl, method, headers: all };
    const answer = await xhrSend({ credential, body, ...sending }, this.#runtime).catch(meaning);
    if (answer !== 'lost') return answer;
    throw new UploadError('network_failed', 'The answer of the tus server was lost.');
  }
}

function meaning(error: unknown): never {
  throw error instanceof UploadError ? toTusError(error) : error;
}

/** Of tus: 423 is a lock that passes, 413 a file that is too large. */
function toTusError(error: UploadError): UploadError {
  const { status } = error;
  if (status === 423) {
    const message = 'The upload is locked by another request.';
    return new UploadError('unavailable', message, { status, action: 'transient' });
  }
  if (status === 413) {
    return new UploadError('file_too_large', 'The server takes no file so large.', { status });
  }
  return error;
}

function offsetOf(answer: {
  readonly status: number;
  header(name: string): string | null;
}): number {
  const text = answer.header('upload-offset');
  if (text !== null && /^\d+$/.test(text)) return Number(text);
  const message = 'The answer shows no Upload-Offset. Its CORS rules must expose it.';
  throw new UploadError('store_misconfigured', message, { status: answer.status });
}

/** Of the text's UTF-8. */
function toBase64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

function urlOf(endpoint: string): string {
  try {
    return new URL(endpoint, globalThis.location?.href).href;
  } catch {
    throw new OptionError('tusAdapter.endpoint', `expected a URL, found "${endpoint}"`);
  }
}
