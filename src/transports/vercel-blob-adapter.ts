/**
 * `bulkhead/vercel-blob`: straight to Vercel Blob, with the client tokens of `handleUpload`.
 *
 * @module bulkhead/vercel-blob
 */
import * as z from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import type { Credential } from '../protocol/index.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type {
  CredentialRequest,
  CredentialResult,
  FinalizeOutcome,
  FinalizeRequest,
  UploadAdapter,
} from './adapter.ts';
import { completeAdapter } from './complete-adapter.ts';
import { fetchOk } from './fetch-answer.ts';
import { functionOption, type HeadersOption, parseOptions, positiveInt } from './option-shapes.ts';
import { parseJson } from './parse-json.ts';
import { isHostReachable } from './reach-host.ts';
import { xhrSend } from './xhr-put.ts';

/** What the official client sends: `BLOB_API_VERSION` of @vercel/blob 2.8. */
const API_VERSION = '12';
const API_URL = 'https://vercel.com/api/blob';
/** `handleUpload` gives tokens that live for an hour, unless it is told otherwise. */
const TOKEN_MS = 60 * 60_000;
const DEFAULT_CONCURRENCY = 6;
/** One request for each token: a batch is answered in a few round trips. */
const BATCH_FILES = 20;
const TOKENS_AT_ONCE = 6;

/** An upload that the Blob store has. */
export interface VercelBlobFinalizeRequest extends FinalizeRequest {
  /** The blob's URL, where this page saw the answer. */
  readonly url: string | undefined;
}

/** @inline */
type FinalizeBlobs = (
  items: readonly VercelBlobFinalizeRequest[],
  signal: AbortSignal,
) => Promise<readonly FinalizeOutcome[]>;

const optionsSchema = z.strictObject({
  /** Your route that calls `handleUpload` of `@vercel/blob/client`. */
  handleUploadUrl: z.string().check(z.minLength(1)),
  /** Where the blob goes: another one for every upload. Default `uploads/<upload id>/<file name>`. */
  pathname: z.optional(functionOption<(file: CredentialRequest) => string>()),
  /** As the store was made. */
  access: z.enum(['public', 'private']),
  /** What `onBeforeGenerateToken` is told of a file. Default: its size and checksum, as JSON. */
  clientPayload: z.optional(functionOption<(file: CredentialRequest) => string | null>()),
  /** Asked before every request for a token. Default: none. */
  headers: z.optional(functionOption<HeadersOption>()),
  /** How long your route's tokens live, in milliseconds. Default one hour, as `handleUpload`'s. */
  tokenExpiresInMs: z._default(positiveInt, TOKEN_MS),
  /** Tells your backend what was stored. Default: nothing is told, and the asset is the blob. */
  finalize: z.optional(functionOption<FinalizeBlobs>()),
  /** The service, for stand-ins of it. Default: Vercel's. */
  apiUrl: z._default(z.string(), API_URL),
  /** PUTs at once. Default 6. */
  maxConcurrency: z._default(positiveInt, DEFAULT_CONCURRENCY),
});
/**
 * What `vercelBlobAdapter` takes.
 *
 * @interface
 */
export type VercelBlobAdapterOptions = z.input<typeof optionsSchema>;

const tokenSchema = z.object({
  clientToken: z.string().check(z.regex(/^vercel_blob_client_[^_]+_./, 'expected a client token')),
});
const blobSchema = z.object({ url: z.string(), pathname: z.string() });

/**
 * Uploads straight to Vercel Blob with the client tokens of `handleUpload`. The service compares no
 * checksum, so that files of up to 32 MB are read once more before they are sent.
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export function vercelBlobAdapter(
  input: VercelBlobAdapterOptions,
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('vercelBlobAdapter', optionsSchema, input);
  const { pathname: pathnameOf = defaultPathname, access, finalize } = options;
  const { clientPayload = defaultPayload } = options;
  const apiUrl = options.apiUrl.replace(/\/$/, '');
  const urls = new Map<string, string>();

  const tokenFor = async (
    file: CredentialRequest,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<CredentialResult> => {
    const pathname = pathnameOf(file);
    const payload = { pathname, clientPayload: clientPayload(file), multipart: false };
    const request = {
      ...{ url: options.handleUploadUrl, method: 'POST', signal },
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ type: 'blob.generate-client-token', payload }),
    };
    try {
      const { body } = await fetchOk(request, runtime);
      const parsed = tokenSchema.safeParse(parseJson(body));
      if (!parsed.success) {
        const message = 'The answer has no client token in it: it is not handleUpload’s.';
        throw new UploadError('unexpected_response', message);
      }
      const { clientToken } = parsed.data;
      return { status: 'granted', credential: toCredential(file, pathname, clientToken) };
    } catch (error) {
      // Refused for this file alone, as far as it can be told.
      const isOwn = error instanceof UploadError && error.action === 'permanent';
      if (!isOwn || error.code === 'cancelled') throw error;
      return { status: 'failed', error };
    }
  };

  const toCredential = (
    file: CredentialRequest,
    pathname: string,
    clientToken: string,
  ): Credential => {
    const storeId = clientToken.split('_')[3] ?? '';
    const nowMs = runtime.epochNow();
    const type = file.mimeType === '' ? 'application/octet-stream' : file.mimeType;
    return {
      ...{ assetId: pathname, pathname, method: 'PUT' },
      uploadUrl: `${apiUrl}/?${new URLSearchParams({ pathname })}`,
      headers: {
        authorization: `Bearer ${clientToken}`,
        'x-api-blob-request-attempt': '0',
        'x-api-blob-request-id': `${storeId}:${nowMs}:${runtime.uuid()}`,
        'x-api-version': API_VERSION,
        'x-content-type': type,
        'x-vercel-blob-access': access,
        'x-vercel-blob-store-id': storeId,
      },
      expiresAt: new Date(nowMs + options.tokenExpiresInMs).toISOString(),
      expiresInMs: options.tokenExpiresInMs,
    };
  };

  return completeAdapter({
    name: 'vercel-blob',
    capabilities: {
      ...{ maxConcurrency: options.maxConcurrency, maxBatchFiles: BATCH_FILES },
      ...{ createOnly: true, checksum: 'none' },
    },

    async credentials(files, signal) {
      const headers = (await options.headers?.()) ?? {};
      const results: CredentialResult[] = [];
      for (let start = 0; start < files.length; start += TOKENS_AT_ONCE) {
        const some = files.slice(start, start + TOKENS_AT_ONCE);
        results.push(...(await Promise.all(some.map((file) => tokenFor(file, headers, signal)))));
      }
      return results;
    },

    async put(request) {
      const answer = await xhrSend(request, runtime);
      if (answer === 'lost') return 'lost';
      const blob = blobSchema.safeParse(parseJson(answer.body));
      if (!blob.success) {
        const message = 'The store’s answer is not Vercel Blob’s.';
        throw new UploadError('unexpected_response', message, { status: answer.status });
      }
      const { url: blobUrl, pathname: id } = blob.data;
      if (!finalize) {
        return { finalized: { id, blobUrl, isDuplicate: false, needsProcessing: false } };
      }
      urls.set(request.credential.assetId, blobUrl);
      return 'stored';
    },

    isStoreReachable: ({ uploadUrl }) => isHostReachable(uploadUrl),

    ...(finalize
      ? {
          async finalize(items, signal) {
            const located = items.map((item) => ({ ...item, url: urls.get(item.assetId) }));
            const outcomes = await finalize(located, signal);
            for (const [at, { assetId }] of items.entries()) {
              if (outcomes[at]?.status === 'finalized') urls.delete(assetId);
            }
            return outcomes;
          },
        }
      : {}),
  });
}

function defaultPathname({ id, name }: CredentialRequest): string {
  return `uploads/${id}/${name}`;
}

function defaultPayload({ sizeBytes, checksum }: CredentialRequest): string {
  return JSON.stringify({ sizeBytes, checksum });
}
