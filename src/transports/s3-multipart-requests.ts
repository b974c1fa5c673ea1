import { UploadError } from '../errors/upload-error.ts';
import type { SignedPart } from '../protocol/index.ts';
import { hexToBase64 } from './hex.ts';
import type { PartToSign, SentPart } from './multipart-put.ts';
import { toAnswerError } from './read-problem.ts';
import {
  type MultipartCalls,
  MultipartUploads,
  type MultipartUploadsOptions,
  type OpenMultipart,
  type PartPage,
} from './s3-multipart.ts';
import type { S3Requests } from './s3-requests.ts';
import type { HeldKeys } from './temporary-credentials.ts';

/** Signatures hold for fifteen minutes after their date. */
const SIGNATURE_MS = 14 * 60_000;

/** Files in parts by requests that the page signs. */
export function signedMultipart(
  requests: S3Requests,
  options: Omit<MultipartUploadsOptions, 'calls'>,
): MultipartUploads {
  return new MultipartUploads({ ...options, calls: new S3MultipartRequests(requests) });
}

/** The requests of S3's REST API that files in parts need. */
class S3MultipartRequests implements MultipartCalls {
  readonly #requests: S3Requests;
  /** What was signed with which keys. */
  readonly #signedParts = new WeakMap<HeldKeys, Set<string>>();

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  async create(
    { mimeType }: { mimeType: string },
    key: string,
    signal: AbortSignal,
  ): Promise<{ uploadId: string }> {
    const headers = {
      ...(mimeType === '' ? {} : { 'content-type': mimeType }),
      ...(this.#requests.target.keepsChecksums ? { 'x-amz-checksum-algorithm': 'SHA256' } : {}),
    };
    const { body } = await this.#requests.send(
      { method: 'POST', key, query: { uploads: '' }, headers },
      signal,
    );
    const uploadId = textOf(parseXml(body), 'UploadId');
    if (uploadId) return { uploadId };
    throw new UploadError('unexpected_response', 'The store opened no upload in parts.');
  }

  async sign(open: OpenMultipart, parts: readonly PartToSign[]): Promise<SignedPart[]> {
    const held = await this.#keysFor(open, parts);
    return Promise.all(
      parts.map(async ({ partNumber, checksum = '' }) => {
        const query = { partNumber: String(partNumber), uploadId: open.uploadId };
        const call = { key: open.key, query, bodyChecksum: checksum };
        const signed = await this.#requests.signPut(call, held);
        return { ...signed, partNumber, method: 'PUT' as const, expiresInMs: SIGNATURE_MS };
      }),
    );
  }

  async list(
    open: OpenMultipart,
    after: string | number | undefined,
    signal: AbortSignal,
  ): Promise<PartPage | undefined> {
    const marker = after === undefined ? {} : { 'part-number-marker': String(after) };
    const query = { ...marker, uploadId: open.uploadId };
    const answer = await this.#requests.send(
      { method: 'GET', key: open.key, query },
      signal,
      [404],
    );
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
    const body = completionXml(parts, this.#requests.target.keepsChecksums);
    const headers = { 'content-type': 'application/xml' };
    const call = { method: 'POST', key, query: { uploadId }, headers, body };
    const answer = await this.#requests.send(call, signal);
    // It begins with 200 and may end with a failure, because it takes long.
    if (textOf(parseXml(answer.body), 'ETag')) return;
    throw toAnswerError({ ...answer, status: 500 }, this.#requests.target.runtime.epochNow());
  }

  async abort({ key, uploadId }: OpenMultipart): Promise<void> {
    await this.#requests.send(
      { method: 'DELETE', key, query: { uploadId } },
      new AbortController().signal,
      [404],
    );
  }

  /** A part that is signed again was refused, or the signature expired: other keys help in either case. */
  async #keysFor({ uploadId }: OpenMultipart, parts: readonly PartToSign[]): Promise<HeldKeys> {
    const { keys } = this.#requests.target;
    const names = parts.map(({ partNumber }) => `${partNumber} ${uploadId}`);
    let held = await keys.current();
    const signed = this.#signedParts.get(held);
    if (names.some((name) => signed?.has(name))) held = await keys.after(held);
    this.#signedParts.set(held, new Set([...(this.#signedParts.get(held) ?? []), ...names]));
    return held;
  }
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
      keepsChecksums && checksum ? `<ChecksumSHA256>${hexToBase64(checksum)}</ChecksumSHA256>` : '';
    const escaped = etag.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    return `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escaped}</ETag>${sum}</Part>`;
  });
  const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
  return `<CompleteMultipartUpload xmlns="${namespace}">${rows.join('')}</CompleteMultipartUpload>`;
}
