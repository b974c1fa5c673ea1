import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { encodeUri } from './encode-uri.ts';
import { type Answer, fetchOk } from './fetch-answer.ts';
import { hexToBase64 } from './hex.ts';
import { sha256OfText, signS3Request } from './s3-signer.ts';
import type { HeldKeys, KeyRing } from './temporary-credentials.ts';

export interface S3Target {
  /** Without a trailing slash; with the bucket in its path or its host. */
  readonly bucketUrl: string;
  readonly region: string;
  readonly keys: KeyRing;
  /** Whether `x-amz-checksum-sha256` is sent, for stores that keep it. */
  readonly keepsChecksums: boolean;
  readonly runtime: Runtime;
}

export interface S3Call {
  readonly method: string;
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: none. */
  readonly body?: string;
  /** SHA-256, 64 lower-case hex digits. Default: of `body`. */
  readonly bodyChecksum?: string;
}

/** Keys that expired are 400 to S3. A HEAD that is refused has no body that says why. */
function refusesKeys({ status, code }: UploadError): boolean {
  return status === 403 || code === 'url_expired' || (status === 400 && code === 'store_refused');
}

/** Requests of S3's REST API, signed in the page: what a file in one PUT needs. */
export class S3Requests {
  readonly target: S3Target;

  constructor(target: S3Target) {
    this.target = target;
  }

  /** A PUT of these bytes, to be sent by whoever shows progress. */
  signPut(call: Omit<S3Call, 'method'> & { readonly bodyChecksum: string }, held: HeldKeys) {
    const { keepsChecksums } = this.target;
    const sum = keepsChecksums ? { 'x-amz-checksum-sha256': hexToBase64(call.bodyChecksum) } : {};
    return this.#sign({ ...call, method: 'PUT', headers: { ...call.headers, ...sum } }, held);
  }

  /** Does `work` with the keys of this moment, and once more with others when the store refuses them. */
  async withKeys<T>(work: (held: HeldKeys) => Promise<T>): Promise<T> {
    const { keys } = this.target;
    const held = await keys.current();
    try {
      return await work(held);
    } catch (error) {
      if (!(error instanceof UploadError) || !refusesKeys(error)) throw error;
      return work(await keys.after(held));
    }
  }

  /** Bytes of the object; undefined when there is none. */
  async sizeOf(key: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.send({ method: 'HEAD', key }, signal, [404]);
    if (answer.status === 404) return undefined;
    return Number(answer.header('content-length') ?? Number.NaN);
  }

  /** @param expected statuses that are answers too. @throws UploadError for every other that is no success */
  send(call: S3Call, signal: AbortSignal, expected?: readonly number[]): Promise<Answer> {
    return this.withKeys(async (held) => {
      const { uploadUrl: url, method, headers } = await this.#sign(call, held);
      const { body } = call;
      const request = { url, method, headers, signal, ...(body === undefined ? {} : { body }) };
      return fetchOk(request, this.target.runtime, expected);
    });
  }

  async #sign(call: S3Call, { keys, skewMs }: HeldKeys) {
    const { bucketUrl, region, runtime } = this.target;
    const { method, key, query = {}, headers = {}, body = '' } = call;
    const { bodyChecksum = await sha256OfText(body) } = call;
    const path = key.split('/').map(encodeUri).join('/');
    const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeUri(value)}`);
    const url = `${bucketUrl}/${path}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
    const atMs = runtime.epochNow() + skewMs;
    const request = { url, method, headers, bodyChecksum, region, keys, atMs };
    return { uploadUrl: url, method, headers: await signS3Request(request) };
  }
}
