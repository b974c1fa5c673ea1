import { toUploadError, UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { PartPermits, type Permit, type SignParts } from './part-permits.ts';
import type { PartPool } from './part-pool.ts';
import { PART_ATTEMPTS, partDelayMs, wait } from './part-retry.ts';
import { countParts, partBytes } from './part-size.ts';
import { type SendAnswer, type SendRequest, xhrSend } from './xhr-put.ts';

export type { PartToSign, SignParts } from './part-permits.ts';
export { createPartPool, type PartPool } from './part-pool.ts';
export { choosePartSize, type PartSizeChoice } from './part-size.ts';

/** What the store has of a part. */
export interface StoredPart {
  /** From 1. */
  readonly partNumber: number;
  readonly sizeBytes: number;
  readonly etag?: string | undefined;
}

/** A part that the store has now. */
export interface SentPart extends StoredPart {
  /** SHA-256, 64 lower-case hex digits: of parts that were hashed and sent by this call. */
  readonly checksum?: string | undefined;
}

export interface MultipartPutOptions {
  readonly body: Blob;
  /** Bytes of every part but the last. See `choosePartSize`. */
  readonly partSizeBytes: number;
  /** What the store has. A part of another size than it should have is sent again. */
  readonly storedParts: readonly StoredPart[];
  /** Permits these parts, in their order; the store may be asked to verify the `checksum`. */
  readonly sign: SignParts;
  /** Whether parts are hashed before they are signed. Default false. */
  readonly hasChecksums?: boolean;
  /** Sends one part. Default: by XMLHttpRequest. */
  readonly put?: (request: SendRequest, runtime: Runtime) => Promise<SendAnswer | 'lost'>;
  readonly signal: AbortSignal;
  /** Bytes of the file that the store has or that were sent; never falls. */
  readonly onProgress: (sentBytes: number) => void;
  readonly runtime: Runtime;
  /** Shared by all files of one adapter. */
  readonly pool: PartPool;
}

/**
 * Sends what the store lacks of a file in parts, several at a time. A part is tried five times; one whose
 * answer was lost is sent again, because a part may be replaced. A refused permit is renewed once.
 * The call opens, completes and aborts nothing: that is the caller's.
 *
 * @returns all parts, in order
 * @throws UploadError of the part that failed for good, after the others were stopped; `cancelled`. What
 * was stored stays: the next call goes on from there
 */
export async function putInParts(options: MultipartPutOptions): Promise<readonly SentPart[]> {
  const { body, partSizeBytes, signal, pool, runtime } = options;
  const count = countParts(body.size, partSizeBytes);
  const sizeOf = (partNumber: number) => partBytes(body.size, partSizeBytes, partNumber);
  const parts = new Map<number, SentPart>();
  for (const part of options.storedParts) {
    const { partNumber, sizeBytes } = part;
    if (partNumber <= count && sizeBytes === sizeOf(partNumber)) parts.set(partNumber, part);
  }
  const numbers = Array.from({ length: count }, (_, at) => at + 1);
  const missing = numbers.filter((partNumber) => !parts.has(partNumber));
  const progress = new PartProgress(options.onProgress);
  for (const { partNumber, sizeBytes } of parts.values()) progress.report(partNumber, sizeBytes);

  // One part that fails for good stops the others.
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  const partOf = (partNumber: number) => {
    const start = (partNumber - 1) * partSizeBytes;
    return body.slice(start, start + sizeOf(partNumber));
  };
  const lanes = Math.min(pool.size, missing.length);
  const { sign, hasChecksums = false } = options;
  const permits = new PartPermits({
    ...{ partNumbers: missing, partOf, hasChecksums, sign },
    ...{ concurrency: lanes, signal: stop.signal, runtime },
  });
  const sender = new PartSender(options, { partOf, permits, progress, signal: stop.signal });
  const run = async () => {
    for (let permit = await sender.next(); permit; permit = await sender.next()) {
      const sent = await sender.send(permit);
      parts.set(sent.partNumber, sent);
    }
  };
  let failure: UploadError | undefined;
  const lane = () =>
    run().catch((error: unknown) => {
      failure ??= toUploadError(error);
      abort();
    });
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    signal.removeEventListener('abort', abort);
  }
  if (signal.aborted) throw new UploadError('cancelled', 'The upload was cancelled.');
  if (failure) throw failure;
  return numbers.flatMap((partNumber) => parts.get(partNumber) ?? []);
}

interface SenderParts {
  readonly partOf: (partNumber: number) => Blob;
  readonly permits: PartPermits;
  readonly progress: PartProgress;
  readonly signal: AbortSignal;
}

/** Sends one part after the other, each until it is stored or fails for good. */
class PartSender {
  readonly #options: MultipartPutOptions;
  readonly #parts: SenderParts;

  constructor(options: MultipartPutOptions, parts: SenderParts) {
    this.#options = options;
    this.#parts = parts;
  }

  next(): Promise<Permit | undefined> {
    return this.#patiently(() => this.#parts.permits.next());
  }

  async send(first: Permit): Promise<SentPart> {
    const { partNumber, sizeBytes, checksum } = first.part;
    const answer = await this.#patiently(() => this.#sendOnce(first));
    this.#parts.progress.report(partNumber, sizeBytes);
    return { partNumber, sizeBytes, checksum, etag: answer.header('etag') ?? undefined };
  }

  /** Waits for a connection first: only then is the permit looked at, and a new one is used on this connection. */
  async #sendOnce(first: Permit): Promise<SendAnswer> {
    const { runtime, pool } = this.#options;
    const { permits, progress, signal } = this.#parts;
    const { partNumber } = first.part;
    try {
      const answer = await pool.run(async () => {
        const isFresh = first.usableUntilMs > runtime.now();
        const permit = isFresh ? first : await permits.renew(first);
        try {
          return await this.#put(permit);
        } catch (error) {
          if (!(error instanceof UploadError) || error.action !== 'refresh') throw error;
          return this.#put(await permits.renew(permit));
        }
      }, signal);
      if (answer !== 'lost') return answer;
      throw new UploadError('network_failed', `The answer to part ${partNumber} was lost.`);
    } catch (error) {
      progress.report(partNumber, 0);
      throw error;
    }
  }

  async #put({ part, signed }: Permit): Promise<SendAnswer | 'lost'> {
    const { put = xhrSend, runtime, pool } = this.#options;
    const { partOf, progress, signal } = this.#parts;
    const { partNumber, sizeBytes } = part;
    const onProgress = (sentBytes: number) => progress.report(partNumber, sentBytes);
    const request = { credential: signed, body: partOf(partNumber), signal, onProgress };
    const startMs = runtime.now();
    const answer = await put(request, runtime);
    if (answer !== 'lost') pool.sent(sizeBytes, runtime.now() - startMs);
    return answer;
  }

  /** What may pass by itself is tried again. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const { runtime } = this.#options;
    const { signal } = this.#parts;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (cause) {
        const error = toUploadError(cause);
        const mayPass = error.action === 'transient' || error.action === 'throttle';
        if (!mayPass || attempt >= PART_ATTEMPTS || signal.aborted) throw error;
        await wait(partDelayMs(error, attempt, runtime.random()), signal, runtime);
      }
    }
  }
}

/** Sum of all parts. A part that starts again takes nothing back: the sum waits until it is there. */
class PartProgress {
  readonly #onProgress: (sentBytes: number) => void;
  readonly #sent = new Map<number, number>();
  #sum = 0;
  #reported = 0;

  constructor(onProgress: (sentBytes: number) => void) {
    this.#onProgress = onProgress;
  }

  report(partNumber: number, sentBytes: number): void {
    this.#sum += sentBytes - (this.#sent.get(partNumber) ?? 0);
    this.#sent.set(partNumber, sentBytes);
    if (this.#sum <= this.#reported) return;
    this.#reported = this.#sum;
    this.#onProgress(this.#sum);
  }
}
