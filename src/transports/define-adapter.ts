import * as z from 'zod/mini';
import { OptionError, toOptionError } from '../errors/option-error.ts';
import { systemRuntime } from '../runtime/runtime.ts';
import type { AdapterCapabilities, FinalizeOutcome, UploadAdapter } from './adapter.ts';
import { xhrPut } from './xhr-put.ts';

/** Browsers open six HTTP/1.1 connections to one host. */
const DEFAULT_CONCURRENCY = 6;
const DEFAULT_BATCH_FILES = 100;

/** An adapter as its author writes it: what is left out works as most backends do. */
export type AdapterDefinition = Omit<UploadAdapter, 'capabilities' | 'put' | 'finalize'> & {
  /** Default: six PUTs at once, a hundred files in a call, and nothing that the store does by itself. */
  readonly capabilities?: Partial<AdapterCapabilities>;
  /** Default: one PUT of the credential's URL with its headers, by XMLHttpRequest. */
  readonly put?: UploadAdapter['put'];
  /** Default: what is stored is done; nothing is told. */
  readonly finalize?: UploadAdapter['finalize'];
};

const method = z.optional(z.custom<unknown>((value) => typeof value === 'function', 'a function'));

const limitsSchema = z.object({
  maxFiles: z.int().check(z.minimum(1)),
  maxBytes: z.int().check(z.minimum(1)),
  maxFileBytes: z.int().check(z.minimum(1)),
});

const definitionSchema = z.strictObject({
  name: z.string().check(z.minLength(1)),
  capabilities: z.optional(
    z.strictObject({
      maxConcurrency: z.optional(z.int().check(z.minimum(1))),
      maxBatchFiles: z.optional(z.int().check(z.minimum(1))),
      createOnly: z.optional(z.boolean()),
      checksum: z.optional(z.enum(['sha256', 'none'])),
      verifiesAtFinalize: z.optional(z.boolean()),
      multipart: z.optional(z.boolean()),
      pack: z.optional(limitsSchema),
    }),
  ),
  credentials: z.custom<unknown>((value) => typeof value === 'function', 'expected a function'),
  put: method,
  putPack: method,
  head: method,
  finalize: method,
  reconcile: method,
  abort: method,
  isStoreReachable: method,
  watch: method,
  assetChanges: method,
  retryProcessing: method,
  classify: method,
});

/**
 * Makes an adapter for a backend of your own. Only `name` and `credentials` are required; the rest is as
 * most presigning backends have it.
 *
 * @example
 * const adapter = defineAdapter({
 *   name: 'my backend',
 *   async credentials(files, signal) {
 *     const answer = await fetch('/sign', { method: 'POST', body: JSON.stringify(files), signal });
 *     return (await answer.json()).map((credential) => ({ status: 'granted', credential }));
 *   },
 * });
 *
 * @throws OptionError at once, when something is missing, unknown or wrong; it names it
 */
export function defineAdapter(definition: AdapterDefinition): UploadAdapter {
  const parsed = definitionSchema.safeParse(definition);
  if (!parsed.success) throw toOptionError('defineAdapter', parsed.error);
  const { capabilities = {}, ...methods } = definition;
  if (capabilities.pack && !methods.putPack) {
    throw new OptionError('defineAdapter.putPack', 'capabilities.pack needs it');
  }
  const runtime = systemRuntime();
  return Object.freeze({
    put: (request) => xhrPut(request, runtime),
    finalize: async (items) => items.map(asStored),
    ...methods,
    capabilities: Object.freeze({
      maxConcurrency: DEFAULT_CONCURRENCY,
      maxBatchFiles: DEFAULT_BATCH_FILES,
      ...capabilities,
    }),
  } satisfies UploadAdapter);
}

/** A backend that is told nothing has nothing to tell: the credential's id is the asset's. */
function asStored({ assetId }: { readonly assetId: string }): FinalizeOutcome {
  const asset = { id: assetId, blobUrl: '', isDuplicate: false, needsProcessing: false };
  return { status: 'finalized', asset };
}
