import * as z from 'zod/mini';
import { OptionError, toOptionError } from '../errors/option-error.ts';
import type { UploadAdapter } from './adapter.ts';
import { type AdapterDefinition, adapterDefaults } from './complete-adapter.ts';

const isFunction = (value: unknown) => typeof value === 'function';
const required = z.custom<unknown>(isFunction, 'expected a function');
const method = z.optional(required);

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
  credentials: required,
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
 * most presigning backends have it. Capabilities may be getters: they are asked whenever they are needed. A class needs
 * none of this: its instance, with all that `UploadAdapter` requires, is an adapter.
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
  refuseInstance('defineAdapter', definition);
  refuseInstance('defineAdapter.capabilities', definition?.capabilities);
  const parsed = definitionSchema.safeParse(definition);
  if (!parsed.success) throw toOptionError('defineAdapter', parsed.error);
  const pack = Object.getOwnPropertyDescriptor(definition.capabilities ?? {}, 'pack');
  // A getter may give it later.
  if ((pack?.get || pack?.value) && !definition.putPack) {
    throw new OptionError('defineAdapter.putPack', 'capabilities.pack needs it');
  }
  const { capabilities = {}, ...methods } = definition;
  const defaults = adapterDefaults();
  const able = withDefaults(defaults.capabilities, capabilities);
  return withDefaults({ ...defaults, capabilities: able }, methods) as UploadAdapter;
}

/** What is given takes the place of a default, unless it is undefined; getters stay getters. */
function withDefaults<T extends object>(defaults: T, given: object): T {
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(given))) {
    if (property.get || property.value !== undefined) {
      Object.defineProperty(defaults, name, property);
    }
  }
  return Object.freeze(defaults);
}

/** What a class has on its prototype is not listed, and would be lost. */
function refuseInstance(option: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return;
  const { name } = value.constructor;
  throw new OptionError(option, `expected a plain object, and an instance of ${name} came`);
}
