import * as z from 'zod/mini';
import { OptionError, toOptionError } from '../errors/option-error.ts';
import type { UploadAdapter } from './adapter.ts';
import { type AdapterDefinition, completeAdapter } from './complete-adapter.ts';

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
  if (definition.capabilities?.pack && !definition.putPack) {
    throw new OptionError('defineAdapter.putPack', 'capabilities.pack needs it');
  }
  return completeAdapter(definition);
}
