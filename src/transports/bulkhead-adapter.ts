import * as z from 'zod/mini';
import { UploadError } from '../errors/upload-error.ts';
import {
  assetChangesResponseSchema,
  type FileProblem,
  MAX_BATCH_FILES,
  type PackLimits,
  reconcileResponseSchema,
  retryResponseSchema,
  statsResponseSchema,
  type UploadUrlResult,
  uploadCompleteBatchResponseSchema,
  uploadUrlsResponseSchema,
  type ReconcileResult as WireReconcileResult,
} from '../protocol/index.ts';
import { type Runtime, systemRuntime } from '../runtime/runtime.ts';
import type { CredentialResult, ReconcileResult, UploadAdapter } from './adapter.ts';
import { ApiClient } from './api-client.ts';
import { followEvents } from './event-stream.ts';
import { loadLate } from './load-late.ts';
import { parseOptions, positiveInt } from './option-shapes.ts';
import { isHostReachable } from './reach-host.ts';
import { uploadPack } from './upload-pack.ts';
import { xhrPut } from './xhr-put.ts';

const optionsSchema = z.strictObject({
  /** Where the server kit is mounted. Default '': the page's own origin. */
  baseUrl: z._default(z.string(), ''),
  /** Called before every API request, for a bearer token that changes. Default: none. */
  headers: z.optional(z.custom<HeadersOption>((value) => typeof value === 'function')),
  /**
   * Whether API requests carry cookies. Default `same-origin`. XMLHttpRequest and EventSource know no `omit`: packs,
   * the event stream and PUTs always carry the page's cookies to the page's own origin, and with `omit` never to
   * another one. `packs: false` leaves the first of these out.
   */
  credentials: z._default(z.enum(['omit', 'same-origin', 'include']), 'same-origin'),
  /** Small files go many to a request, where the server takes them so. Default true. */
  packs: z._default(z.boolean(), true),
  /**
   * Most uploads at once. Default 6: browsers open so many HTTP/1.1 connections to one host, and the store has
   * a host of its own. More helps over a distance where the store speaks HTTP/2.
   */
  maxConcurrency: z._default(positiveInt, 6),
});
/** @inline */
type HeadersOption = () => Record<string, string> | Promise<Record<string, string>>;
/**
 * What `bulkheadAdapter` takes.
 *
 * @interface
 */
export type BulkheadAdapterOptions = z.input<typeof optionsSchema>;

/**
 * Uploads to a server that runs `@bulkhead/server` (or speaks its wire).
 *
 * @throws OptionError at once, when an option is unknown or wrong
 */
export function bulkheadAdapter(
  input: BulkheadAdapterOptions = {},
  runtime: Runtime = systemRuntime(),
): UploadAdapter {
  const options = parseOptions('bulkheadAdapter', optionsSchema, input);
  const { headers, credentials, packs, maxConcurrency } = options;
  const baseUrl = options.baseUrl.replace(/\/$/, '');
  const api = new ApiClient({ baseUrl, credentials, ...(headers ? { headers } : {}) }, runtime);

  const parts = loadLate(
    () => import('./bulkhead-multipart.ts'),
    ({ bulkheadParts }) => bulkheadParts(api, runtime, maxConcurrency),
  );
  /** As the server said last. */
  let packLimits: PackLimits | undefined;

  return {
    name: 'bulkhead',
    capabilities: {
      ...{ maxConcurrency, maxBatchFiles: MAX_BATCH_FILES },
      ...{ createOnly: true, checksum: 'sha256', verifiesAtFinalize: true },
      multipart: true,
      get pack() {
        return packLimits;
      },
    },

    async credentials(requests, signal) {
      const files = requests.map(({ id, name, path, sizeBytes, mimeType, checksum }) => ({
        clientId: clientIdOf(id, checksum),
        filename: name,
        ...(path === name ? {} : { path }),
        mimeType,
        size: sizeBytes,
        checksum,
      }));
      const answer = await api.post(
        '/api/upload-urls',
        { files },
        uploadUrlsResponseSchema,
        signal,
      );
      packLimits = packs ? answer.pack : undefined;
      return answer.results.map(toCredentialResult);
    },

    async put(request) {
      const { multipart } = request.credential;
      // Parts are hashed in the page, which plain http does not allow: there a file goes whole.
      if (!multipart || !globalThis.crypto?.subtle) return xhrPut(request, runtime);
      return (await parts.get()).put(request, multipart);
    },

    async abort({ assetId, multipart }) {
      if (multipart) await (await parts.get()).abort(assetId);
    },

    async putPack(request) {
      const target = {
        url: `${baseUrl}/api/upload-pack`,
        headers: (await headers?.()) ?? {},
        withCredentials: credentials === 'include',
      };
      return uploadPack(request, target, runtime);
    },

    isStoreReachable: ({ uploadUrl }) => isHostReachable(uploadUrl),

    async finalize(items, signal) {
      const uploads = items.map(({ assetId, checksum }) => ({ assetId, checksum }));
      const schema = uploadCompleteBatchResponseSchema;
      const answer = await api.post('/api/upload-complete', { uploads }, schema, signal);
      return answer.results.map((result) =>
        result.success
          ? { status: 'finalized', asset: result.asset }
          : { status: 'failed', error: toFileError(result.error) },
      );
    },

    async reconcile(requests, signal) {
      const files = requests.map(({ id, checksum }) => ({
        clientId: clientIdOf(id, checksum),
        checksum,
      }));
      const schema = reconcileResponseSchema;
      const answer = await api.post('/api/uploads/reconcile', { files }, schema, signal);
      return answer.results.map(toReconcileResult);
    },

    watch(listener) {
      const lifetime = new AbortController();
      const stop = followEvents({
        url: `${baseUrl}/api/sse/processing-updates`,
        withCredentials: credentials === 'include',
        listener,
        runtime,
        pollStats: async () => {
          const path = '/api/processing-stats';
          return (await api.get(path, statsResponseSchema, lifetime.signal)).stats;
        },
      });
      return () => {
        stop();
        lifetime.abort();
      };
    },

    async assetChanges(ids, signal) {
      const schema = assetChangesResponseSchema;
      return (await api.post('/api/assets/changes', { ids }, schema, signal)).changes;
    },

    async retryProcessing(assetId, signal) {
      await api.post(`/api/assets/${assetId}/retry-processing`, {}, retryResponseSchema, signal);
    },
  };
}

/** A file that changed and is sent anew is another promise: the server keeps them apart. */
function clientIdOf(id: string, checksum: string): string {
  return `${id}-${checksum.slice(0, 12)}`;
}

function toFileError({ code, detail }: FileProblem): UploadError {
  return new UploadError(code, detail);
}

function toCredentialResult(result: UploadUrlResult): CredentialResult {
  if (result.status === 'granted') return { status: 'granted', credential: result.credential };
  if (result.status === 'duplicate') return { status: 'duplicate', assetId: result.asset.id };
  return { status: 'failed', error: toFileError(result.error) };
}

function toReconcileResult(result: WireReconcileResult): ReconcileResult {
  switch (result.status) {
    case 'finalized': {
      const { id: assetId, isDuplicate, needsProcessing } = result.asset;
      return { kind: 'finalized', assetId, isDuplicate, needsProcessing };
    }
    case 'uploaded':
      return { kind: 'uploaded', assetId: result.assetId };
    case 'unknown':
      return { kind: 'unknown' };
  }
}
