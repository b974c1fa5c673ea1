import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Tally } from './tally.ts';

type AnswerHeaders = Readonly<Record<string, string | number>>;

/** What HTTP/1.1 and HTTP/2 have in common of a response. */
export interface AnyResponse {
  writeHead(status: number, headers: Record<string, string | number>): unknown;
  write(chunk: string): boolean;
  end(body: string): unknown;
}

export interface ExchangeParts {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  readonly response: AnyResponse;
  readonly world: RunWorld;
}

/** How small files may go, beside a PUT each: a signed form each, or many in a pack. */
export type Intake = 'puts' | 'forms' | 'packs';

/** What belongs to one run: a request that comes late counts in the run that it was sent in. */
export interface RunWorld {
  readonly tally: Tally;
  /** Before a request is read: the way to a server that is far away, and back. */
  readonly delayMs: number;
  /** Whether the answer to credentials offers packs. */
  readonly intake: Intake;
  /** Where the page sends bytes to. */
  readonly storeUrl: string;
  /** Names of files by the assets that were reserved for them. */
  readonly reservations: Map<string, string>;
  readonly tusUploads: Map<string, TusUpload>;
}

export interface TusUpload {
  readonly name: string;
  readonly sizeBytes: number;
  offset: number;
}

/** Every page may call every server here, and no preflight is asked for twice. */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'etag, location, upload-offset, upload-length, tus-resumable',
};
const PREFLIGHT = {
  ...CORS,
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-max-age': '7200',
};

/** One request and its answer, by either protocol. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readable;
  readonly world: RunWorld;
  readonly #response: AnyResponse;

  constructor({ method, target, headers, body, response, world }: ExchangeParts) {
    const queryAt = target.indexOf('?');
    this.method = method;
    this.path = queryAt < 0 ? target : target.slice(0, queryAt);
    this.query = queryAt < 0 ? '' : target.slice(queryAt + 1);
    this.headers = headers;
    this.body = body;
    this.world = world;
    this.#response = response;
  }

  answer(status: number, headers: AnswerHeaders = {}, body = ''): void {
    const length = status === 204 ? {} : { 'content-length': Buffer.byteLength(body) };
    this.#response.writeHead(status, { ...CORS, ...headers, ...length });
    this.#response.end(body);
  }

  json(value: unknown): void {
    this.answer(200, { 'content-type': 'application/json' }, JSON.stringify(value));
  }

  preflight(): void {
    const asked = this.headers['access-control-request-headers'];
    this.answer(204, {
      ...PREFLIGHT,
      ...(asked === undefined ? {} : { 'access-control-allow-headers': asked }),
    });
  }

  /** Begins an answer that does not end. @returns writes to it */
  stream(headers: AnswerHeaders): (text: string) => void {
    this.#response.writeHead(200, { ...CORS, ...headers });
    return (text) => this.#response.write(text);
  }

  /** Reads the body and throws it away. @returns its length, once it has ended whole */
  drain(): Promise<number> {
    let bytes = 0;
    return this.#read((chunk) => {
      bytes += chunk.length;
    }).then(() => bytes);
  }

  /** Hands the body on as it comes. */
  consume(take: (chunk: Buffer) => void): Promise<void> {
    return this.#read(take);
  }

  async readJson<T>(): Promise<T> {
    const chunks: Buffer[] = [];
    await this.#read((chunk) => chunks.push(chunk));
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
  }

  /** Events, not iteration: an iterator costs a promise a chunk. */
  #read(take: (chunk: Buffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.body.on('data', take);
      this.body.once('end', resolve);
      this.body.once('error', reject);
      this.body.once('aborted', () => reject(new Error('The request was cut off')));
    });
  }
}
