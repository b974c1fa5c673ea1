import * as z from 'zod/mini';
import { restrictionsSchema } from './core/intake/restrictions.ts';
import { Uploader } from './core/uploader.ts';
import { toOptionError } from './errors/option-error.ts';
import { defaultHasher } from './hashing/default-hasher.ts';
import type { Hasher } from './hashing/hasher.ts';
import { type Runtime, systemRuntime } from './runtime/runtime.ts';
import type { UploadAdapter } from './transports/adapter.ts';

const isObject = (value: unknown) => typeof value === 'object' && value !== null;

const optionsSchema = z.strictObject({
  /** How uploads reach the backend, such as `bulkheadAdapter()`. Required. */
  adapter: z.custom<UploadAdapter>(
    (value) => isObject(value) && 'credentials' in (value as object),
    'expected an adapter, such as bulkheadAdapter()',
  ),
  /** What may be added. Default: files of 1 byte to 100 MB, at most 100,000. */
  restrictions: z.prefault(restrictionsSchema, {}),
  /** PUTs at once, at most; the adapter's limit holds as well. Default 6. */
  concurrency: z._default(z.int().check(z.minimum(1), z.maximum(100)), 6),
  /** Begin as soon as something is added. Default true. */
  autoStart: z._default(z.boolean(), true),
  /** Default: WebCrypto for what fits a buffer, WASM for the rest. */
  hasher: z.optional(z.custom<Hasher>((value) => isObject(value) && 'hash' in (value as object))),
  /** Clock, timers, random and connectivity, for tests. Default: the browser's. */
  runtime: z.optional(z.custom<Runtime>((value) => isObject(value) && 'now' in (value as object))),
});

export type UploaderOptions = z.input<typeof optionsSchema>;

/**
 * Makes an uploader.
 *
 * @example
 * const uploader = createUploader({ adapter: bulkheadAdapter() });
 * uploader.subscribe(() => render(uploader.getSnapshot()));
 * input.onchange = () => uploader.add(input.files);
 *
 * @throws OptionError at once, when an option is unknown or wrong; it names the option
 */
export function createUploader(options: UploaderOptions): Uploader {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) throw toOptionError('createUploader', parsed.error);
  const { adapter, restrictions, concurrency, autoStart, hasher, runtime } = parsed.data;
  return new Uploader({
    adapter,
    restrictions,
    concurrency,
    autoStart,
    hasher: hasher ?? defaultHasher(),
    runtime: runtime ?? systemRuntime(),
  });
}
