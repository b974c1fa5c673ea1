import { UploadError } from '../errors/upload-error.ts';
import type { SignedPart } from '../protocol/index.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { type Answer, fetchAnswer } from './fetch-answer.ts';
import type { PartToSign, SentPart } from './multipart-put.ts';
import { toAnswerError } from './read-problem.ts';
import type { MultipartCalls, OpenMultipart, PartPage } from './s3-multipart.ts';
import { signS3Request } from './s3-signer.ts';
import type { HeldKeys, KeyRing } from './temporary-credentials.ts';

/** SHA-256 of nothing. */
const EMPTY_CHECKSUM = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
/** Signatures hold for fifteen minutes after their date. */
const SIGNATURE_MS = 14 * 60_000;

export interface S3Target {
  /** Without a trailing slash; with the bucket in its path or its host. */
  readonly bucketUrl: string;
  readonly region: string;
  readonly keys: KeyRing;
  /** Whether `x-amz-checksum-sha256` is sent, for stores that keep it. */
  readonly keepsChecksums: boolean;
  readonly runtime: Runtime;
}

interface S3Call {
  readonly method: string;
  readonly key: string;
  /** Such as `uploads=`: every name has its `=`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodyChecksum?: string;
}

/** The requests of S3's REST API that an upload needs, signed in the page. */
export class S3Requests implements MultipartCalls {
  readonly #target: S3Target;
  /** What was signed with which keys. */
  readonly #signedParts = new WeakMap<HeldKeys, Set<string>>();

  constructor(target: S3Target) {
    this.#target = target;
  }

  /** A PUT of a whole object, to be sent by whoever shows progress. */
  async signPut(
    key: string,
    options: { checksum: string; headers: Record<string, string> },
    held: HeldKeys,
  ) {
    const { checksum, headers } = options;
    const call = { method: 'PUT', key, headers: { ...headers, ...this.#checksumOf(checksum) } };
    return this.#sign({ ...call, bodyChecksum: checksum }, held);
  }

  /** Does `work` with the keys of this moment, and once more with others when the store refuses them. */
  async withKeys<T>(work: (held: HeldKeys) => Promise<T>): Promise<T> {
    const { keys } = this.#target;
    const held = await keys.current();
    try {
      return await work(held);
    } catch (error) {
      if (!(error instanceof UploadError) || error.status !== 403) throw error;
      return work(await keys.after(held));
    }
  }

  /** Bytes of the object; undefined when there is none. */
  async sizeOf(key: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.#send({ method: 'HEAD', key }, signal, [404]);
    if (answer.status === 404) return undefined;
    return Number(answer.header('content-length') ?? Number.NaN);
  }

  async create(
    { mimeType }: { mimeType: string },
    key: string,
    signal: AbortSignal,
  ): Promise<{ uploadId: string }> {
    const headers = {
      ...(mimeType === '' ? {} : { 'content-type': mimeType }),
      ...(this.#target.keepsChecksums ? { 'x-amz-checksum-algorithm': 'SHA256' } : {}),
    };
    const { body } = await this.#send({ method: 'POST', key, query: 'uploads=', headers }, signal);
    const uploadId = textOf(parseXml(body), 'UploadId');
    if (uploadId) return { uploadId };
    throw new UploadError('unexpected_response', 'The store opened no upload in parts.');
  }

  async sign(open: OpenMultipart, parts: readonly PartToSign[]): Promise<SignedPart[]> {
    const held = await this.#keysFor(open, parts);
    return Promise.all(
      parts.map(async ({ partNumber, checksum = '' }) => {
        const query = `partNumber=${partNumber}&uploadId=${encode(open.uploadId)}`;
        const headers = this.#checksumOf(checksum);
        const call = { method: 'PUT', key: open.key, query, headers, bodyChecksum: checksum };
        const signed = await this.#sign(call, held);
        return { ...signed, partNumber, method: 'PUT' as const, expiresInMs: SIGNATURE_MS };
      }),
    );
  }

  async list(
    open: OpenMultipart,
    after: string | number | undefined,
    signal: AbortSignal,
  ): Promise<PartPage | undefined> {
    const marker = after === undefined ? '' : `part-number-marker=${after}&`;
    const query = `${marker}uploadId=${encode(open.uploadId)}`;
    const answer = await this.#send({ method: 'GET', key: open.key, query }, signal, [404]);
    if (answer.status === 404) return undefined;
    const page = parseXml(answer.body);
    const parts = Array.from(page.getElementsByTagName('Part'), (part) => ({
      partNumber: Number(textOf(part, 'PartNumber')),
      sizeBytes: Number(textOf(part, 'Size')),
      etag: textOf(part, 'ETag'),
    }));
    const isMore = textOf(page, 'IsTruncated') === 'true';
    return isMore ? { parts, next: textOf(page, 'NextPartNumberMarker') } : { parts };
  }

  async complete(
    { key, uploadId }: OpenMultipart,
    parts: readonly SentPart[],
    signal: AbortSignal,
  ): Promise<void> {
    const body = completionXml(parts, this.#target.keepsChecksums);
    const query = `uploadId=${encode(uploadId)}`;
    const bodyChecksum = await sha256(body);
    const headers = { 'content-type': 'application/xml' };
    const call = { method: 'POST', key, query, headers, bodyChecksum };
    const answer = await this.#send(call, signal, [], body);
    // It begins with 200 and may end with a failure, because it takes long.
    if (textOf(parseXml(answer.body), 'ETag')) return;
    throw toAnswerError({ ...answer, status: 500 }, this.#target.runtime.epochNow());
  }

  async abort({ key, uploadId }: OpenMultipart): Promise<void> {
    const query = `uploadId=${encode(uploadId)}`;
    await this.#send({ method: 'DELETE', key, query }, new AbortController().signal, [404]);
  }

  /** A part that is signed again was refused, or the signature expired: other keys help in either case. */
  async #keysFor({ uploadId }: OpenMultipart, parts: readonly PartToSign[]): Promise<HeldKeys> {
    const { keys } = this.#target;
    const names = parts.map(({ partNumber }) => `${partNumber} ${uploadId}`);
    let held = await keys.current();
    const signed = this.#signedParts.get(held);
    if (names.some((name) => signed?.has(name))) held = await keys.after(held);
    this.#signedParts.set(held, new Set([...(this.#signedParts.get(held) ?? []), ...names]));
    return held;
  }

  #checksumOf(checksum: string): Record<string, string> {
    return this.#target.keepsChecksums ? { 'x-amz-checksum-sha256': toBase64(checksum) } : {};
  }

  #send(
    call: S3Call,
    signal: AbortSignal,
    expected: readonly number[] = [],
    body?: string,
  ): Promise<Answer> {
    return this.withKeys(async (held) => {
      const { uploadUrl: url, method, headers } = await this.#sign(call, held);
      const { runtime } = this.#target;
      const request = { url, method, headers, signal, ...(body === undefined ? {} : { body }) };
      const answer = await fetchAnswer(request, runtime);
      if (answer.isOk || expected.includes(answer.status)) return answer;
      throw toAnswerError(answer, runtime.epochNow());
    });
  }

  async #sign(call: S3Call, { keys, skewMs }: HeldKeys) {
    const { bucketUrl, region, runtime } = this.#target;
    const { method, key, query, headers = {}, bodyChecksum = EMPTY_CHECKSUM } = call;
    const path = key.split('/').map(encode).join('/');
    const url = `${bucketUrl}/${path}${query === undefined ? '' : `?${query}`}`;
    const atMs = runtime.epochNow() + skewMs;
    const request = { url, method, headers, bodyChecksum, region, keys, atMs };
    return { uploadUrl: url, method, headers: await signS3Request(request) };
  }
}

/** RFC 3986: what the signature is made over must be what is sent. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function parseXml(text: string): Document {
  return new DOMParser().parseFromString(text, 'application/xml');
}

function textOf(parent: Document | Element, name: string): string | undefined {
  return parent.getElementsByTagName(name)[0]?.textContent ?? undefined;
}

function completionXml(parts: readonly SentPart[], keepsChecksums: boolean): string {
  const rows = parts.map(({ partNumber, etag = '', checksum }) => {
    const sum =
      keepsChecksums && checksum ? `<ChecksumSHA256>${toBase64(checksum)}</ChecksumSHA256>` : '';
    const escaped = etag.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escaped}</ETag>${sum}</Part>`;
  });
  const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
  return `<CompleteMultipartUpload xmlns="${namespace}">${rows.join('')}</CompleteMultipartUpload>`;
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function toBase64(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  return btoa(bytes.map((byte) => String.fromCharCode(Number.parseInt(byte, 16))).join(''));
}
