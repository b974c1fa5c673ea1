import * as z from 'zod/mini';
import { restrictionsSchema } from './core/intake/restrictions.ts';
import type { TelemetrySink } from './core/telemetry/telemetry.ts';
import { Uploader } from './core/uploader.ts';
import { toOptionError } from './errors/option-error.ts';
import { defaultHasher } from './hashing/default-hasher.ts';
import type { Hasher } from './hashing/hasher.ts';
import { type Runtime, systemRuntime } from './runtime/runtime.ts';
import type { UploadAdapter } from './transports/adapter.ts';

const isFunction = (value: unknown) => typeof value === 'function';
const isObject = (value: unknown) => typeof value === 'object' && value !== null;

const optionsSchema = z.strictObject({
  /** How uploads reach the backend, such as `bulkheadAdapter()`. Required. */
  adapter: z.custom<UploadAdapter>(
    (value) => isObject(value) && 'credentials' in (value as object),
    'expected an adapter, such as bulkheadAdapter()',
  ),
  /** What may be added. Default: files of 1 byte to 100 MB, at most 100,000. */
  restrictions: z.prefault(restrictionsSchema, {}),
  /**
   * PUTs at once, at most; the adapter's limit holds as well. How many are worth it below that is
   * found out while uploading. Default 100: the adapter's limit alone.
   */
  concurrency: z._default(z.int().check(z.minimum(1), z.maximum(100)), 100),
  /** What goes first among equals: as `added` (default), `smallest`, or `newest`. */
  order: z._default(z.enum(['added', 'smallest', 'newest']), 'added'),
  /** Mean speed to stay below, bytes per second. Default null: none. */
  maxBytesPerSecond: z._default(z.nullable(z.number().check(z.positive())), null),
  /**
   * Called once when the server says 401: sign in anew and resolve, and uploading goes on. Default:
   * the uploader pauses with `stop: 'unauthenticated'` until `resume()`.
   */
  onUnauthenticated: z.optional(z.custom<() => Promise<void>>(isFunction)),
  /** Receives every timed step, for OpenTelemetry or any other sink. Default: none. */
  telemetry: z.optional(z.custom<TelemetrySink>(isFunction)),
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
  const { hasher, runtime, onUnauthenticated, telemetry, ...settings } = parsed.data;
  return new Uploader({
    ...settings,
    onUnauthenticated,
    telemetry,
    hasher: hasher ?? defaultHasher(),
    runtime: runtime ?? systemRuntime(),
  });
}
