import * as z from 'zod/mini';
import { OptionError } from '../errors/option-error.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type { CredentialRequest, UploadAdapter } from './adapter.ts';
import { completeAdapter } from './complete-adapter.ts';
import { grantLocally } from './local-credential.ts';
import { type FinalizeOption, functionOption, parseOptions, positiveInt } from './option-shapes.ts';
import { isHostReachable } from './reach-host.ts';
import { lateMultipart } from './s3-late-multipart.ts';
import { MULTIPART_FROM_BYTES, partLimitsSchema, S3_PART_LIMITS } from './s3-part-limits.ts';
import { S3Requests } from './s3-requests.ts';
import { KeyRing, type TemporaryCredentials } from './temporary-credentials.ts';
import { xhrPut } from './xhr-put.ts';

const DEFAULT_CONCURRENCY = 6;
/** HEAD requests at once, when answers were lost. */
const HEADS_AT_ONCE = 6;

const optionsSchema = z.strictObject({
  /** Asks your backend for keys; called again before they expire, and when the store refuses them. */
  credentials: functionOption<() => Promise<TemporaryCredentials>>(),
  /** The bucket's name. */
  bucket: z.string().check(z.minLength(1)),
  /** Such as `eu-central-1`; `auto` for Cloudflare R2. */
  region: z.string().check(z.minLength(1)),
  /** Default: Amazon S3 of the region. */
  endpoint: z.optional(
    z.string().check(z.regex(/^https?:\/\/[^/]/, 'expected an http or https URL')),
  ),
  /** Whether the bucket stands in the path. Default: true with an `endpoint`, else false. */
  pathStyle: z.optional(z.boolean()),
  /** The object's key: the same for the same upload, and another for another one. */
  key: functionOption<(file: CredentialRequest) => string>(),
  /** Headers of the PUT, such as `x-amz-meta-…`. Default: none but the content type. */
  objectHeaders: z.optional(
    functionOption<(file: CredentialRequest) => Readonly<Record<string, string>>>(),
  ),
  /** Whether an object that is there is refused, by `if-none-match`; not of files in parts. Default true. */
  createOnly: z._default(z.boolean(), true),
  /** Whether the store takes and keeps `x-amz-checksum-sha256`. Default true. */
  keepsChecksums: z._default(z.boolean(), true),
  /** Tells your backend what was stored. Default: nothing is told. */
  finalize: z.optional(functionOption<FinalizeOption>()),
  /** What an error of these functions means. Default: that of `UploadError`s. */
  classify: z.optional(functionOption<NonNullable<UploadAdapter['classify']>>()),
  /** Whether `finalize` looks into the store. Default false: then the adapter does, by HEAD. */
  verifiesAtFinalize: z._default(z.boolean(), false),
  /** Files from this size on go in parts. Default 16 MiB. */
  multipartFromBytes: z._default(positiveInt, MULTIPART_FROM_BYTES),
  /** What the store takes. Default: 5 MiB to 5 GiB, 10,000 parts. */
  partLimits: z._default(partLimitsSchema, S3_PART_LIMITS),
  /** Requests at once that carry bytes: files, and parts of all files. Default 6. */
  maxConcurrency: z._default(positiveInt, DEFAULT_CONCURRENCY),
});
/**
 * What `s3TemporaryCredentialsAdapter` takes.
 *
 * @interface
 */
export type S3TemporaryCredentialsAdapterOptions = z.input<typeof optionsSchema>;

/**
 * Uploads straight to a store of S3's kind with temporary keys (of STS, say): the page signs its requests.
 * Every PUT's signature holds the SHA-256 of its body, which the store compares.
 *
 * @throws OptionError at once, when an option is unknown or wrong, and on pages without `crypto.subtle`
 * (plain http but for localhost): there nothing can be signed
 */
export function s3TemporaryCredentialsAdapter(
  input: S3TemporaryCredentialsAdapterOptions,
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const name = 's3TemporaryCredentialsAdapter';
  const options = parseOptions(name, optionsSchema, input);
  if (!globalThis.crypto?.subtle) {
    throw new OptionError(name, 'this page cannot sign requests: serve it by https, or localhost');
  }
  const { bucket, region, key: keyOf, createOnly, maxConcurrency, finalize, classify } = options;
  const bucketUrl = bucketUrlOf(options);
  const requests = new S3Requests({
    ...{ bucketUrl, region, keepsChecksums: options.keepsChecksums, runtime },
    keys: new KeyRing(options.credentials, runtime),
  });
  const multipart = lateMultipart(
    `s3:${bucket}`,
    () => import('./s3-multipart-requests.ts'),
    ({ signedMultipart }, tokens) =>
      signedMultipart(requests, {
        ...{ tokens, concurrency: maxConcurrency, limits: options.partLimits },
        ...{ hasChecksums: true, runtime },
      }),
  );

  return completeAdapter({
    name: 's3-temporary-credentials',
    capabilities: {
      ...{ maxConcurrency, createOnly, checksum: 'sha256' },
      ...{ verifiesAtFinalize: options.verifiesAtFinalize, multipart: true },
    },

    credentials: async (files) =>
      files.map((file) => {
        const key = keyOf(file);
        const granted = { uploadUrl: bucketUrl, pathname: key, assetId: key };
        return grantLocally(file, granted, runtime.epochNow());
      }),

    put(request) {
      const { upload, credential, body } = request;
      if (body.size >= options.multipartFromBytes) return multipart.put(request);
      const headers = {
        ...(upload.mimeType === '' ? {} : { 'content-type': upload.mimeType }),
        ...(createOnly ? { 'if-none-match': '*' } : {}),
        ...options.objectHeaders?.(upload),
      };
      const call = { key: credential.pathname, headers, bodyChecksum: upload.checksum };
      return requests.withKeys(async (held) => {
        const signed = await requests.signPut(call, held);
        return xhrPut({ ...request, credential: signed }, runtime);
      });
    },

    async head(items, signal) {
      const found: boolean[] = [];
      for (let start = 0; start < items.length; start += HEADS_AT_ONCE) {
        const some = items.slice(start, start + HEADS_AT_ONCE);
        const sizes = await Promise.all(some.map((item) => requests.sizeOf(keyOf(item), signal)));
        found.push(...some.map(({ sizeBytes }, at) => isOfSize(sizes[at], sizeBytes)));
      }
      return found;
    },

    isStoreReachable: ({ uploadUrl }) => isHostReachable(uploadUrl),
    abort: ({ pathname }) => multipart.abort(pathname),
    ...(finalize ? { finalize } : {}),
    ...(classify ? { classify } : {}),
  });
}

/** Some stores show pages no length: there it must be enough that the object is there. */
function isOfSize(found: number | undefined, wanted: number): boolean {
  return found !== undefined && (Number.isNaN(found) || found === wanted);
}

function bucketUrlOf(options: z.output<typeof optionsSchema>): string {
  const { bucket, region, endpoint, pathStyle = endpoint !== undefined } = options;
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  if (!pathStyle) url.host = `${bucket}.${url.host}`;
  const base = url.href.replace(/\/$/, '');
  return pathStyle ? `${base}/${bucket}` : base;
}
