import type { CredentialRequest, UploadAdapter } from './adapter.ts';
import type { PartToSign, SentPart } from './multipart-put.ts';
import {
  MultipartUploads,
  type MultipartUploadsOptions,
  type OpenMultipart,
  type PartPage,
} from './s3-multipart.ts';

/** A presigned PUT of one part. */
export interface PresignedPart {
  readonly url: string;
  /** Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 300,000. */
  readonly expiresInMs?: number;
}

/** @inline */
export type CreateMultipart = (
  file: CredentialRequest,
  key: string,
  signal: AbortSignal,
) => Promise<{ readonly uploadId: string }>;
/** @inline */
export type SignParts = (
  open: OpenMultipart,
  parts: readonly PartToSign[],
  signal: AbortSignal,
) => Promise<readonly PresignedPart[]>;
/** @inline */
export type ListParts = (
  open: OpenMultipart,
  after: string | number | undefined,
  signal: AbortSignal,
) => Promise<PartPage | undefined>;
/** @inline */
export type CompleteMultipart = (
  open: OpenMultipart,
  parts: readonly SentPart[],
  signal: AbortSignal,
) => Promise<unknown>;
/** @inline */
export type AbortMultipart = (open: OpenMultipart) => Promise<unknown>;

/** What an application's backend does for files in parts. */
export interface PresignedCalls {
  readonly createMultipart: CreateMultipart;
  readonly signParts: SignParts;
  readonly listParts: ListParts;
  readonly completeMultipart: CompleteMultipart;
  readonly abortMultipart: AbortMultipart;
}

export interface PresignedMultipartOptions extends Omit<MultipartUploadsOptions, 'calls'> {
  readonly classify: UploadAdapter['classify'];
}

const PART_EXPIRES_IN_MS = 300_000;

/** Files in parts by URLs that your own backend signs. */
export function presignedMultipart(
  calls: PresignedCalls,
  { classify, ...options }: PresignedMultipartOptions,
): MultipartUploads {
  const { createMultipart, signParts, listParts, completeMultipart, abortMultipart } = calls;
  const classified = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      throw classify?.(error) ?? error;
    }
  };
  return new MultipartUploads({
    ...options,
    calls: {
      create: (...args) => classified(() => createMultipart(...args)),
      sign: async (open, parts, signal) => {
        const signed = await classified(() => signParts(open, parts, signal));
        return signed.map(({ url, headers = {}, expiresInMs = PART_EXPIRES_IN_MS }, at) => ({
          partNumber: parts[at]?.partNumber ?? 0,
          ...{ uploadUrl: url, method: 'PUT' as const, headers: { ...headers }, expiresInMs },
        }));
      },
      list: (...args) => classified(() => listParts(...args)),
      complete: async (...args) => void (await classified(() => completeMultipart(...args))),
      abort: async (open) => void (await classified(() => abortMultipart(open))),
    },
  });
}
