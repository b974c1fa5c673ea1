import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { ProblemError } from '../problem-error.ts';
import type { RequestBody } from './request-body.ts';
import type { PutClaims } from './signed-url.ts';

/** So much is gathered in memory before it is written: most photos reach the disk in one call. */
const FLUSH_BYTES = 1024 * 1024;

/**
 * Streams a body into `temp`, hashing as it goes. When it returns, the file holds exactly the
 * bytes that were promised; when it throws, there is no file.
 * @throws {ProblemError} `size_mismatch` as soon as the body is longer than promised (or says so
 *   beforehand), or when it ends short; `checksum_mismatch`.
 * @throws {BodyAbortedError}
 */
export async function receiveBody(
  body: RequestBody,
  /** The Content-Length header. */
  announced: string | null,
  promise: Pick<PutClaims, 'sizeBytes' | 'checksum'>,
  temp: string,
): Promise<void> {
  const { sizeBytes } = promise;
  if (announced !== null && Number(announced) !== sizeBytes) {
    throw sizeMismatch(sizeBytes, `Content-Length says ${announced}`);
  }
  const hash = createHash('sha256');
  const file = new LazyFile(temp);
  let received = 0;
  try {
    for await (const chunk of body.chunks()) {
      received += chunk.byteLength;
      if (received > sizeBytes) throw sizeMismatch(sizeBytes, 'more arrived');
      hash.update(chunk);
      await file.append(chunk);
    }
    if (received !== sizeBytes) throw sizeMismatch(sizeBytes, `${received} arrived`);
    if (hash.digest('hex') !== promise.checksum) throw new ProblemError('checksum_mismatch');
    await file.finish();
  } catch (error) {
    await file.discard();
    throw error;
  }
}

function sizeMismatch(promised: number, came: string): ProblemError {
  return new ProblemError('size_mismatch', `${promised} bytes were promised, ${came}`);
}

/** A file that comes into being with its first flush: small bodies that are refused never do. */
class LazyFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.byteLength;
    if (this.#pendingBytes >= FLUSH_BYTES) await this.#flush();
  }

  async finish(): Promise<void> {
    await this.#flush();
    await this.#file?.close();
  }

  async discard(): Promise<void> {
    if (!this.#file) return;
    await this.#file.close().catch(() => {});
    await rm(this.#path, { force: true });
  }

  async #flush(): Promise<void> {
    this.#file ??= await open(this.#path, 'wx');
    let rest = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    // writev may write less than it was given.
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest);
      rest = withoutStart(rest, bytesWritten);
    }
  }
}

function withoutStart(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = bytes;
  for (const chunk of chunks) {
    if (skip < chunk.byteLength) left.push(chunk.subarray(skip));
    skip = Math.max(0, skip - chunk.byteLength);
  }
  return left;
}
