import { toUploadError, UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { PutRequest } from './adapter.ts';
import { PART_ATTEMPTS, partDelayMs, wait } from './part-retry.ts';
import { GONE, type TusClient, type TusSending, type TusUpload } from './tus-client.ts';

/** What passes by itself, or by asking where the server stands. */
const CONFLICT = 409;
/** A server that forgets what it created again and again is broken. */
const MAX_CREATIONS = 2;

export interface TusUploadOptions {
  readonly request: PutRequest;
  readonly client: TusClient;
  readonly metadata: Readonly<Record<string, string>>;
  /** Most bytes of one PATCH. */
  readonly chunkBytes: number;
  /** Files up to this size are sent with the request that creates them. */
  readonly withCreationBytes: number;
  /** Where an earlier try or page created it. */
  readonly location: string | undefined;
  /** It was created there; undefined: that one is gone. */
  readonly onLocation: (location: string | undefined) => void;
  readonly runtime: Runtime;
}

/** One file by tus, from wherever the server stands to the last byte. */
export class TusUploading {
  readonly #options: TusUploadOptions;
  readonly #sending: TusSending;
  #upload: TusUpload | undefined;
  #location: string | undefined;
  #creations = 0;
  #reported = 0;

  constructor(options: TusUploadOptions) {
    this.#options = options;
    this.#location = options.location;
    this.#sending = {
      signal: options.request.signal,
      onProgress: (sentBytes) => this.#report((this.#upload?.offset ?? 0) + sentBytes),
    };
  }

  /**
   * Goes on after failures that may pass, five times without a byte's progress.
   *
   * @returns where the server has it
   * @throws UploadError when that was in vain, or for good
   */
  async finish(): Promise<string> {
    const { request, runtime } = this.#options;
    const { body, signal } = request;
    let furthest = -1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const upload = this.#upload ?? (await this.#find());
        if (upload.offset > furthest) {
          furthest = upload.offset;
          attempt = 1;
        }
        this.#report(upload.offset);
        if (upload.offset === body.size) return upload.location;
        await this.#append(upload);
      } catch (cause) {
        const error = toUploadError(cause);
        this.#upload = undefined;
        if (this.#isGone(error)) this.#forget();
        else if (!this.#mayPass(error) || attempt >= PART_ATTEMPTS) throw error;
        else await wait(partDelayMs(error, attempt, runtime.random()), signal, runtime);
      }
    }
  }

  async #append(upload: TusUpload): Promise<void> {
    const { request, client, chunkBytes } = this.#options;
    const chunk = request.body.slice(upload.offset, upload.offset + chunkBytes);
    const offset = await client.append(upload, chunk, this.#sending);
    if (offset <= upload.offset || offset > request.body.size) {
      const message = `The server stands at ${offset} after a PATCH from ${upload.offset}.`;
      throw new UploadError('unexpected_response', message);
    }
    this.#upload = { ...upload, offset };
  }

  async #find(): Promise<TusUpload> {
    const { client, request, withCreationBytes, metadata, onLocation } = this.#options;
    const { body, signal } = request;
    if (this.#location !== undefined) {
      const offset = await client.offset(this.#location, signal);
      if (offset !== undefined && offset <= body.size) {
        this.#upload = { location: this.#location, offset };
        return this.#upload;
      }
      this.#forget();
    }
    this.#creations += 1;
    const isSmall = body.size <= withCreationBytes;
    const creation = { sizeBytes: body.size, metadata, ...(isSmall ? { body } : {}) };
    this.#upload = await client.create(creation, this.#sending);
    this.#location = this.#upload.location;
    onLocation(this.#location);
    return this.#upload;
  }

  #forget(): void {
    this.#location = undefined;
    this.#options.onLocation(undefined);
    if (this.#creations < MAX_CREATIONS) return;
    const message = 'The server forgets the upload as soon as it was created.';
    throw new UploadError('internal', message);
  }

  /** The upload; of the endpoint the same answer says that there is no tus server. */
  #isGone({ status = 0 }: UploadError): boolean {
    return this.#location !== undefined && GONE.includes(status);
  }

  #mayPass(error: UploadError): boolean {
    if (this.#options.request.signal.aborted) return false;
    // Of a creation, a conflict is no matter of offsets.
    if (error.status === CONFLICT) return this.#location !== undefined;
    return error.action === 'transient' || error.action === 'throttle';
  }

  #report(sentBytes: number): void {
    if (sentBytes <= this.#reported) return;
    this.#reported = sentBytes;
    this.#options.request.onProgress(sentBytes);
  }
}
