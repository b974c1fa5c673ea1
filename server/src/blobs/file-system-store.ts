import { access, constants, statfs } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Clock } from '../clock.ts';
import { type Logger, silentLogger } from '../logging.ts';
import { fromMachine } from '../machine-problem.ts';
import { ProblemError, problemResponse } from '../problem-error.ts';
import { BlobNotFoundError, type BlobStore, BlobStoreUnusableError } from './blob-store.ts';
import { attachment } from './content-disposition.ts';
import { isKey } from './keys.ts';
import { listFiles } from './list-files.ts';
import { ObjectFiles } from './object-files.ts';
import { receiveBody } from './receive-body.ts';
import {
  BodyAbortedError,
  bytesBody,
  nodeBody,
  type RequestBody,
  webBody,
} from './request-body.ts';
import { createUrlSigner, type GetClaims, type PutClaims } from './signed-url.ts';

export interface FileSystemStoreOptions {
  /** Objects live under it; made when absent. */
  dir: string;
  /** Where {@link FileSystemStore.fetch} is served: an origin of its own, without a path. */
  publicUrl: string | (() => string);
  /** Signs URLs: at least 32 bytes. Whoever knows it can write and read everything. */
  secret: string | Uint8Array;
  clock?: Clock;
  /** Origins whose pages may use the store; default `'*'`, since every URL carries its permit. */
  allowedOrigins?: '*' | readonly string[];
  /** With less left on its disk it is not ready. Default 100 MB; 0: never mind. */
  minFreeBytes?: number;
  logger?: Logger;
}

/** A {@link BlobStore} in a directory, which answers HTTP itself. */
export interface FileSystemStore extends BlobStore {
  /**
   * `PUT`, `GET` and `HEAD` of signed URLs, and CORS preflights. On node:http, `node.incoming`
   * gives it the request's own stream, which takes half the processor time of a web stream.
   */
  fetch(request: Request, node?: { incoming?: Readable }): Promise<Response>;
}

/** Objects up to this size are answered from one read. */
const SMALL_OBJECT_BYTES = 512 * 1024;
const DEFAULT_MIN_FREE_BYTES = 100e6;
const PREFLIGHT_MAX_AGE_SECONDS = 7200;

/**
 * The embedded object store: files in a directory, behind URLs signed with HMAC-SHA256 that expire.
 * A PUT is create-only, and its size and SHA-256 are verified while it streams in. As durable as
 * the page cache: it outlives `kill -9`, not a power cut.
 */
export async function createFileSystemStore(
  options: FileSystemStoreOptions,
): Promise<FileSystemStore> {
  const { clock = Date.now, allowedOrigins = '*', logger = silentLogger } = options;
  const { minFreeBytes = DEFAULT_MIN_FREE_BYTES } = options;
  if (Buffer.byteLength(options.secret) < 32) {
    throw new RangeError('secret must have at least 32 bytes');
  }
  const signer = createUrlSigner(options.secret);
  const files = new ObjectFiles(options.dir);
  await files.open();

  const urlOf = (key: string, query: string) => {
    const { publicUrl } = options;
    const base = typeof publicUrl === 'string' ? publicUrl : publicUrl();
    return `${base.replace(/\/+$/, '')}/${key}?${query}`;
  };

  const put = async (request: Request, body: RequestBody, claims: PutClaims): Promise<Response> => {
    if (request.headers.get('content-type') !== claims.contentType) {
      throw new ProblemError('url_invalid', `Send Content-Type: ${claims.contentType}`);
    }
    // A small body costs less than the question; link() answers it in the end.
    const isWorthAsking = claims.sizeBytes > SMALL_OBJECT_BYTES;
    if (isWorthAsking && (await files.exists(claims.key))) throw new ProblemError('already_exists');
    const temp = files.tempPath();
    await receiveBody(body, request.headers.get('content-length'), claims, temp);
    const { sizeBytes, checksum, contentType } = claims;
    if (!(await files.create(claims.key, temp, { sizeBytes, checksum, contentType }))) {
      throw new ProblemError('already_exists');
    }
    return new Response(null, {
      status: 201,
      headers: { ETag: `"${checksum}"`, 'Content-Length': '0' },
    });
  };

  const get = async (request: Request, claims: GetClaims): Promise<Response> => {
    const meta = await files.meta(claims.key);
    if (!meta) throw new ProblemError('not_found');
    const etag = `"${meta.checksum}"`;
    const headers = new Headers({
      ETag: etag,
      'Content-Type': claims.contentType,
      // What users sent is never rendered as a page of this origin.
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "sandbox; default-src 'none'",
      'Cross-Origin-Resource-Policy': 'cross-origin',
      'Referrer-Policy': 'no-referrer',
      'Cache-Control': `private, max-age=${secondsLeft(claims.expires, clock())}, immutable`,
    });
    if (claims.downloadName !== undefined) {
      headers.set('Content-Disposition', attachment(claims.downloadName));
    }
    if (request.headers.get('if-none-match') === etag) {
      return new Response(null, { status: 304, headers });
    }
    headers.set('Content-Length', String(meta.sizeBytes));
    if (request.method === 'HEAD') return new Response(null, { headers });
    if (meta.sizeBytes <= SMALL_OBJECT_BYTES) {
      return new Response((await files.readAll(claims.key)) as Uint8Array<ArrayBuffer>, {
        headers,
      });
    }
    const stream = await files.read(claims.key);
    return new Response(Readable.toWeb(stream) as ReadableStream<Uint8Array>, { headers });
  };

  const answer = async (request: Request, body: RequestBody): Promise<Response> => {
    const url = new URL(request.url);
    const key = url.pathname.slice(1);
    const { method } = request;
    if (method === 'OPTIONS') return preflight();
    if (method !== 'PUT' && method !== 'GET' && method !== 'HEAD') {
      return problemResponse({ code: 'method_not_allowed' }, { Allow: 'GET, HEAD, PUT, OPTIONS' });
    }
    if (!isKey(key)) throw new ProblemError('not_found');
    return method === 'PUT'
      ? put(request, body, signer.verifyPut(key, url.searchParams, clock()))
      : get(request, signer.verifyGet(key, url.searchParams, clock()));
  };

  return {
    name: 'file-system',
    capabilities: {
      createOnly: true,
      verifiesUploads: true,
      reportsChecksums: true,
      expiringReads: true,
      namesDownloads: true,
      isLocal: true,
    },

    async ping() {
      try {
        await access(options.dir, constants.R_OK | constants.W_OK);
      } catch (cause) {
        const message = `The object store's directory ${options.dir} cannot be read and written`;
        throw new BlobStoreUnusableError(message, { cause });
      }
    },

    async checkRoom() {
      const { bavail, bsize } = await statfs(options.dir);
      const freeBytes = bavail * bsize;
      if (freeBytes >= minFreeBytes) return;
      const left = `${Math.floor(freeBytes / 1e6)} MB left, ${Math.ceil(minFreeBytes / 1e6)} MB needed`;
      throw new BlobStoreUnusableError(`The object store's disk is full: ${left} (${options.dir})`);
    },

    async fetch(request, node) {
      const body = node?.incoming ? nodeBody(node.incoming) : webBody(request);
      let response: Response;
      try {
        response = await answer(request, body);
      } catch (error) {
        response = failure(error, request, logger);
        body.drain();
      }
      allowOrigin(response.headers, request.headers.get('origin'), allowedOrigins);
      return response;
    },

    async signPut({ key, sizeBytes, checksum, contentType, expiresInSeconds }) {
      const expires = Math.ceil(clock() / 1000) + expiresInSeconds;
      const query = signer.signPut({ key, expires, sizeBytes, checksum, contentType });
      return {
        url: urlOf(key, query),
        method: 'PUT',
        headers: { 'Content-Type': contentType },
      };
    },

    async signGet({ key, expiresInSeconds, contentType, downloadName }) {
      // Rounded up to a window as long as the lifetime: the same URL for a while, so that
      // browsers find it in their cache, and never less than the lifetime asked for.
      const expires = (Math.floor(clock() / 1000 / expiresInSeconds) + 2) * expiresInSeconds;
      return urlOf(key, signer.signGet({ key, expires, contentType, downloadName }));
    },

    async head(key) {
      const meta = await files.meta(key);
      return meta && { sizeBytes: meta.sizeBytes, checksum: meta.checksum };
    },

    readStart: (key, lengthBytes) => files.readStart(key, lengthBytes),
    read: (key) => files.read(key),
    write: (key, bytes, contentType) => files.replace(key, bytes, contentType),
    async create({ key, ...promise }, source) {
      const temp = files.tempPath();
      const body = source instanceof Readable ? nodeBody(source) : bytesBody(source);
      await receiveBody(body, null, promise, temp);
      return files.create(key, temp, promise);
    },
    async delete(keys) {
      for (const key of keys) await files.delete(key);
    },
    list: (prefix, after) => listFiles(options.dir, prefix, after),
  };
}

function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'Access-Control-Allow-Methods': 'GET, HEAD, PUT',
      'Access-Control-Allow-Headers': 'content-type, if-none-match',
      'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_SECONDS),
    },
  });
}

/** On refusals too: without it a page sees a network error instead of the reason. */
function allowOrigin(
  headers: Headers,
  origin: string | null,
  allowed: '*' | readonly string[],
): void {
  headers.set('Access-Control-Expose-Headers', 'ETag, Retry-After');
  if (allowed === '*') {
    headers.set('Access-Control-Allow-Origin', '*');
    return;
  }
  headers.append('Vary', 'Origin');
  if (origin !== null && allowed.includes(origin)) {
    headers.set('Access-Control-Allow-Origin', origin);
  }
}

function failure(thrown: unknown, request: Request, logger: Logger): Response {
  const error = fromMachine(thrown);
  if (error instanceof ProblemError) {
    const { code, message, retryAfterSeconds } = error;
    if (code === 'unavailable') logger.error({ err: error.cause }, 'The object store has no room');
    return problemResponse({ code, detail: message, retryAfterSeconds });
  }
  if (error instanceof BlobNotFoundError) return problemResponse({ code: 'not_found' });
  if (error instanceof BodyAbortedError) {
    // Nobody is there to read it; a status is still owed.
    return problemResponse({ code: 'size_mismatch', detail: error.message });
  }
  logger.error({ err: error, method: request.method }, 'The object store failed');
  return problemResponse({ code: 'internal' });
}

function secondsLeft(expires: number, nowMs: number): number {
  return Math.max(0, Math.floor(expires - nowMs / 1000));
}
