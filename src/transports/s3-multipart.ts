import * as z from 'zod/mini';
import { toUploadError, UploadError } from '../errors/upload-error.ts';
import type { MultipartLimits, SignedPart } from '../protocol/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { CredentialRequest, PutOutcome, PutRequest } from './adapter.ts';
import {
  choosePartSize,
  createPartPool,
  type PartPool,
  type PartToSign,
  putInParts,
  type SentPart,
  type StoredPart,
} from './multipart-put.ts';
import { hashPart } from './part-permits.ts';
import { createResumeTokens, type ResumeTokens } from './resume-tokens.ts';
import { RunningPuts } from './running-puts.ts';
import type { TokenPlace } from './token-storage.ts';

/** More than any store gives pages of parts. */
const MAX_PAGES = 100;

/** An upload in parts that was opened. */
export interface OpenMultipart {
  readonly key: string;
  readonly uploadId: string;
}

/** A page of what the store has; `next` is what the following page is asked for with. */
export interface PartPage {
  readonly parts: readonly StoredPart[];
  readonly next?: string | number | undefined;
}

export interface MultipartCalls {
  create(
    upload: CredentialRequest,
    key: string,
    signal: AbortSignal,
  ): Promise<{ uploadId: string }>;
  sign(
    open: OpenMultipart,
    parts: readonly PartToSign[],
    signal: AbortSignal,
  ): Promise<readonly SignedPart[]>;
  /** @returns undefined when the store no longer has the upload */
  list(
    open: OpenMultipart,
    after: string | number | undefined,
    signal: AbortSignal,
  ): Promise<PartPage | undefined>;
  complete(open: OpenMultipart, parts: readonly SentPart[], signal: AbortSignal): Promise<void>;
  abort(open: OpenMultipart): Promise<void>;
}

export interface MultipartUploadsOptions {
  readonly calls: MultipartCalls;
  /** Of the adapter and its store. */
  readonly tokens: TokenPlace;
  /** Parts under way at once, of all files. */
  readonly concurrency: number;
  readonly limits: MultipartLimits;
  readonly hasChecksums: boolean;
  readonly runtime: Runtime;
}

const tokenSchema = z.object({
  key: z.string(),
  uploadId: z.string(),
  partSizeBytes: z.int(),
  /** Of the whole file: another one begins anew. */
  checksum: z.string(),
});
type Token = z.infer<typeof tokenSchema>;

/** Files in parts to a store of S3's kind, each going on where an earlier try or page stopped. */
export class MultipartUploads {
  readonly #options: MultipartUploadsOptions;
  readonly #pool: PartPool;
  readonly #tokens: ResumeTokens<Token>;
  readonly #running = new RunningPuts();

  constructor(options: MultipartUploadsOptions) {
    this.#options = options;
    const { tokens: place, concurrency, runtime } = options;
    this.#pool = createPartPool(concurrency);
    this.#tokens = createResumeTokens({ place, schema: tokenSchema, runtime });
  }

  put(request: PutRequest): Promise<PutOutcome> {
    return this.#running.track(request.credential.pathname, this.#put(request));
  }

  /** The store forgets what it has of the upload, once its PUT has ended. */
  async abort(key: string): Promise<void> {
    await this.#running.ended(key);
    const token = this.#tokens.get(key);
    if (!token) return;
    await this.#options.calls.abort(token);
    this.#tokens.remove(key);
  }

  async #put(request: PutRequest): Promise<PutOutcome> {
    const { calls, hasChecksums, runtime } = this.#options;
    const pool = this.#pool;
    const { body, credential, onProgress, signal } = request;
    const key = credential.pathname;
    // It may have been given up while this code was loaded: then nothing is opened.
    if (signal.aborted) throw new UploadError('cancelled', 'The upload was cancelled.');
    const { token, storedParts } = await this.#open(request);
    let parts: readonly SentPart[];
    try {
      parts = await putInParts({
        ...{ body, storedParts, hasChecksums, signal, onProgress, runtime, pool },
        partSizeBytes: token.partSizeBytes,
        sign: (asked, stop) => calls.sign(token, asked, stop),
      });
    } catch (cause) {
      throw this.#isGone(cause) ? this.#forgotten(key) : cause;
    }
    const complete = await this.#describeAll(token, parts, request);
    try {
      await calls.complete(token, complete, signal);
    } catch (cause) {
      const error = toUploadError(cause);
      // What is refused for good would be refused again: another try begins anew.
      if (error.action === 'permanent') await this.#discard(token);
      // It may be complete by now. Whoever tries again finds all parts there, or the upload gone.
      if (error.kind !== 'network' && !this.#isGone(error)) throw error;
      if (this.#isGone(error)) this.#tokens.remove(key);
      return 'lost';
    }
    this.#tokens.remove(key);
    return 'stored';
  }

  async #open({ upload, credential, body, signal }: PutRequest) {
    const { calls, limits } = this.#options;
    const key = credential.pathname;
    const known = this.#tokens.get(key);
    if (known && known.checksum !== upload.checksum) await this.#discard(known);
    else if (known) {
      const storedParts = await this.#list(known, signal);
      if (storedParts) return { token: known, storedParts };
      this.#tokens.remove(key);
    }
    const { goodputBytesPerSecond } = this.#pool;
    const partSizeBytes = choosePartSize({ fileBytes: body.size, limits, goodputBytesPerSecond });
    const { uploadId } = await calls.create(upload, key, signal);
    const token = { key, uploadId, partSizeBytes, checksum: upload.checksum };
    this.#tokens.set(key, token);
    return { token, storedParts: [] };
  }

  /** What is of no use any more must not stay in the store; if it has to, that keeps no file from being sent. */
  async #discard(token: Token): Promise<void> {
    this.#tokens.remove(token.key);
    const { calls, runtime } = this.#options;
    await calls.abort(token).catch((error: unknown) => runtime.reportError(error));
  }

  async #list(open: OpenMultipart, signal: AbortSignal): Promise<StoredPart[] | undefined> {
    const parts: StoredPart[] = [];
    let after: string | number | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const listed = await this.#options.calls.list(open, after, signal);
      if (!listed) return undefined;
      parts.push(...listed.parts);
      if (listed.next === undefined || listed.next === after) return parts;
      after = listed.next;
    }
    throw new UploadError('unexpected_response', 'The list of parts does not end.');
  }

  /** Completing needs every ETag, which a store may hide from pages, and every checksum, where they are used. */
  async #describeAll(
    token: Token,
    parts: readonly SentPart[],
    { body, signal }: PutRequest,
  ): Promise<SentPart[]> {
    const isHidden = parts.some(({ etag }) => etag === undefined);
    const listed = isHidden ? await this.#list(token, signal) : undefined;
    const etags = new Map(listed?.map(({ partNumber, etag }) => [partNumber, etag]));
    const complete: SentPart[] = [];
    for (const part of parts) {
      const etag = part.etag ?? etags.get(part.partNumber);
      if (!this.#options.hasChecksums || part.checksum !== undefined) {
        complete.push({ ...part, etag });
        continue;
      }
      const start = (part.partNumber - 1) * token.partSizeBytes;
      const checksum = await hashPart(body.slice(start, start + part.sizeBytes), {
        signal,
        runtime: this.#options.runtime,
      });
      complete.push({ ...part, etag, checksum });
    }
    return complete;
  }

  #isGone(error: unknown): boolean {
    return error instanceof UploadError && error.status === 404;
  }

  #forgotten(key: string): UploadError {
    this.#tokens.remove(key);
    const message = 'The store forgot the upload in parts. It begins anew.';
    return new UploadError('not_uploaded', message, { action: 'transient' });
  }
}
