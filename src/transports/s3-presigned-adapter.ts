import * as z from 'zod/mini';
import { OptionError } from '../errors/option-error.ts';
import type { Credential } from '../protocol/index.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type { CredentialRequest, CredentialResult, UploadAdapter } from './adapter.ts';
import { completeAdapter } from './complete-adapter.ts';
import { type FinalizeOption, functionOption, parseOptions, positiveInt } from './option-shapes.ts';
import { isHostReachable } from './reach-host.ts';
import { type LateMultipart, lateMultipart } from './s3-late-multipart.ts';
import { MULTIPART_FROM_BYTES, partLimitsSchema, S3_PART_LIMITS } from './s3-part-limits.ts';
import type {
  AbortMultipart,
  CompleteMultipart,
  CreateMultipart,
  ListParts,
  PresignedCalls,
  SignParts,
} from './s3-presigned-multipart.ts';
import { xhrPut } from './xhr-put.ts';

/** A presigned PUT, as your backend makes it. */
export interface PresignedPut {
  readonly url: string;
  /** The object's key. */
  readonly key: string;
  /** What finalize is asked with. Default: the key. */
  readonly assetId?: string;
  /** Headers that were signed and must be sent. Default: the file's content type alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** How long the URL may be used. Default 300,000 (five minutes). */
  readonly expiresInMs?: number;
}

/** A presigned form, as `createPresignedPost` of the AWS SDK makes it. */
export interface PresignedPost {
  /** The bucket's. */
  readonly url: string;
  /** The form's fields, the policy and its signature among them; the file follows them. */
  readonly fields: Readonly<Record<string, string>>;
  /** The object's key. Default: the field `key`. */
  readonly key?: string;
  /** What finalize is asked with. Default: the key. */
  readonly assetId?: string;
  /** How long the policy may be used. Default 300,000 (five minutes). */
  readonly expiresInMs?: number;
}

/** @inline */
type Sign = (
  files: readonly CredentialRequest[],
  signal: AbortSignal,
) => Promise<readonly (PresignedPut | PresignedPost | CredentialResult)[]>;

const NAME = 's3-presigned';
const DEFAULT_EXPIRES_IN_MS = 300_000;
const DEFAULT_CONCURRENCY = 6;
const DEFAULT_BATCH_FILES = 100;

const optionsSchema = z.strictObject({
  /**
   * Presigns each file, in their order, or says `duplicate` or `failed` of one. A PUT shows its progress; a form
   * of up to 1 MiB goes without the question that browsers ask a store before each PUT.
   */
  sign: functionOption<Sign>(),
  /** CreateMultipartUpload. This and the four that follow are given together, or none of them. */
  createMultipart: z.optional(functionOption<CreateMultipart>()),
  /** Presigns UploadPart for these parts, in their order. */
  signParts: z.optional(functionOption<SignParts>()),
  /** ListParts, page by page; undefined when the store answers NoSuchUpload. */
  listParts: z.optional(functionOption<ListParts>()),
  /** CompleteMultipartUpload. */
  completeMultipart: z.optional(functionOption<CompleteMultipart>()),
  /** AbortMultipartUpload; a person gave the file up. */
  abortMultipart: z.optional(functionOption<AbortMultipart>()),
  /** Whether the store has these uploads: asked about those whose answer was lost. */
  head: z.optional(functionOption<NonNullable<UploadAdapter['head']>>()),
  /** Tells your backend what was stored. Default: nothing is told. */
  finalize: z.optional(functionOption<FinalizeOption>()),
  /** What an error of these functions means. Default: that of `UploadError`s. */
  classify: z.optional(functionOption<NonNullable<UploadAdapter['classify']>>()),
  /** Whether `x-amz-checksum-sha256` is among the signed headers of files and parts. Default false. */
  verifiesChecksums: z._default(z.boolean(), false),
  /** Whether `if-none-match: *` is among the signed headers. Default false. */
  createOnly: z._default(z.boolean(), false),
  /** Whether `finalize` looks into the store before it takes a file. Default false. */
  verifiesAtFinalize: z._default(z.boolean(), false),
  /** Files from this size on go in parts. Default 16 MiB. */
  multipartFromBytes: z._default(positiveInt, MULTIPART_FROM_BYTES),
  /** What the store takes. Default: 5 MiB to 5 GiB, 10,000 parts. */
  partLimits: z._default(partLimitsSchema, S3_PART_LIMITS),
  /** Requests at once that carry bytes: files, and parts of all files. Default 6. */
  maxConcurrency: z._default(positiveInt, DEFAULT_CONCURRENCY),
  /** Files in one call of `sign`, `head` and `finalize`. Default 100. */
  maxBatchFiles: z._default(positiveInt, DEFAULT_BATCH_FILES),
});
/**
 * What `s3PresignedAdapter` takes.
 *
 * @interface
 */
export type S3PresignedAdapterOptions = z.input<typeof optionsSchema>;

/**
 * Uploads straight to a store of S3's kind, by URLs that your own backend signs.
 *
 * @throws OptionError at once, when an option is unknown, wrong, or one of five for multipart is missing
 */
export function s3PresignedAdapter(
  input: S3PresignedAdapterOptions,
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('s3PresignedAdapter', optionsSchema, input);
  const { sign, head, finalize, classify, maxConcurrency, maxBatchFiles } = options;
  const multipart = multipartOf(options, runtime);

  return completeAdapter({
    name: NAME,
    capabilities: {
      ...{ maxConcurrency, maxBatchFiles, createOnly: options.createOnly },
      checksum: options.verifiesChecksums ? 'sha256' : 'none',
      verifiesAtFinalize: options.verifiesAtFinalize,
      multipart: multipart !== undefined,
    },

    async credentials(files, signal) {
      const answers = await sign(files, signal);
      return files.map((file, at) => toResult(file, answers[at], runtime));
    },

    put(request) {
      const isLarge = request.body.size >= options.multipartFromBytes;
      return isLarge && multipart ? multipart.put(request) : xhrPut(request, runtime);
    },

    isStoreReachable: ({ uploadUrl }) => isHostReachable(uploadUrl),
    ...(head ? { head } : {}),
    ...(finalize ? { finalize } : {}),
    ...(classify ? { classify } : {}),
    ...(multipart ? { abort: ({ pathname }) => multipart.abort(pathname) } : {}),
  });
}

function ownHeaders({ mimeType }: CredentialRequest): Record<string, string> {
  return mimeType === '' ? {} : { 'content-type': mimeType };
}

/** @throws OptionError when some of the five functions are given, and others are not */
function multipartOf(
  options: z.output<typeof optionsSchema>,
  runtime: Runtime,
): LateMultipart | undefined {
  const { createMultipart, signParts, listParts, completeMultipart, abortMultipart } = options;
  const calls = { createMultipart, signParts, listParts, completeMultipart, abortMultipart };
  const isWanted = Object.values(calls).some((call) => call !== undefined);
  if (!isWanted) return undefined;
  if (!areAllGiven(calls)) {
    const [name] = Object.entries(calls).find(([, call]) => call === undefined) ?? [];
    throw new OptionError(`s3PresignedAdapter.${name}`, 'multipart uploads need it');
  }
  return lateMultipart(
    NAME,
    () => import('./s3-presigned-multipart.ts'),
    ({ presignedMultipart }, tokens) =>
      presignedMultipart(calls, {
        ...{ tokens, concurrency: options.maxConcurrency, limits: options.partLimits },
        ...{ hasChecksums: options.verifiesChecksums, classify: options.classify, runtime },
      }),
  );
}

function areAllGiven(
  calls: {
    readonly [Name in keyof PresignedCalls]: PresignedCalls[Name] | undefined;
  },
): calls is PresignedCalls {
  return Object.values(calls).every((call) => call !== undefined);
}

function toResult(
  file: CredentialRequest,
  answer: PresignedPut | PresignedPost | CredentialResult | undefined,
  runtime: Runtime,
): CredentialResult {
  if (!answer) {
    throw new OptionError('s3PresignedAdapter.sign', `answered nothing for ${file.name}`);
  }
  if ('status' in answer) return answer;
  const { url, expiresInMs = DEFAULT_EXPIRES_IN_MS } = answer;
  const key = answer.key ?? ('fields' in answer ? answer.fields.key : undefined);
  if (key === undefined) {
    throw new OptionError('s3PresignedAdapter.sign', `answered no key for ${file.name}`);
  }
  const credential: Credential = {
    ...{ uploadUrl: url, assetId: answer.assetId ?? key, pathname: key },
    ...('fields' in answer
      ? { method: 'POST', headers: {}, fields: { ...answer.fields } }
      : { method: 'PUT', headers: { ...(answer.headers ?? ownHeaders(file)) } }),
    expiresAt: new Date(runtime.epochNow() + expiresInMs).toISOString(),
    expiresInMs,
  };
  return { status: 'granted', credential };
}
