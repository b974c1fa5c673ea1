import * as z from 'zod/mini';
import { restrictionsSchema } from './core/intake/restrictions.ts';
import type { TelemetrySink } from './core/telemetry/telemetry.ts';
import { Uploader } from './core/uploader.ts';
import { toOptionError } from './errors/option-error.ts';
import { defaultHasher } from './hashing/default-hasher.ts';
import type { Hasher } from './hashing/hasher.ts';
import { type Runtime, systemRuntime } from './runtime/runtime.ts';
import { browserStorage } from './storage/browser-storage.ts';
import { memoryStorage } from './storage/memory-storage.ts';
import type { UploadStorage } from './storage/upload-storage.ts';
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
  /** Default: WebCrypto for what fits a buffer, WASM in a worker for the rest. */
  hasher: z.optional(z.custom<Hasher>((value) => isObject(value) && 'hash' in (value as object))),
  /**
   * Where the hash worker's script is (`dist/hash-worker.js` of this package), relative to the page.
   * Default: beside the script of this package, where most bundlers put it. Where it is not found, large
   * files are hashed in the page, slice by slice.
   */
  workerUrl: z.optional(z.union([z.string(), z.instanceof(URL)])),
  /**
   * Whose uploads: another user of the same browser neither sees nor resumes them. Set it to an id of the
   * signed-in user where several people share a browser. Default: ''.
   */
  scope: z._default(z.string(), ''),
  /** The database: another one for another application of the same origin. Default `bulkhead`. */
  databaseName: z._default(z.string().check(z.minLength(1)), 'bulkhead'),
  /**
   * What becomes of uploads that an earlier page left unfinished. `ask` (default): they are listed in
   * `uploader.sessions`. `auto`: they go on when the page opens, as far as their files can be read.
   */
  resume: z._default(z.enum(['ask', 'auto']), 'ask'),
  /**
   * Copies of files in the browser's own storage, for browsers that forget files with the page, up to so
   * many bytes at once. Default: none, because every file is written to the disk once more.
   */
  safeCopies: z.optional(z.strictObject({ maxBytes: z.number().check(z.positive()) })),
  /**
   * Where sessions are kept, and what keeps the tabs of one browser apart. Default: IndexedDB, Web Locks and
   * a BroadcastChannel. `false`: nothing outlives the page.
   */
  storage: z.optional(
    z.union([
      z.literal(false),
      z.custom<UploadStorage>((value) => isObject(value) && 'journal' in (value as object)),
    ]),
  ),
  /** Clock, timers, random and connectivity, for tests. Default: the browser's. */
  runtime: z.optional(z.custom<Runtime>((value) => isObject(value) && 'now' in (value as object))),
});

/**
 * What `createUploader` takes.
 *
 * @interface
 */
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
  const { hasher, workerUrl, onUnauthenticated, telemetry, ...settings } = parsed.data;
  const { scope, databaseName, resume, safeCopies, storage, ...pipeline } = settings;
  const runtime = pipeline.runtime ?? systemRuntime();
  return new Uploader({
    ...pipeline,
    runtime,
    onUnauthenticated,
    telemetry,
    hasher: hasher ?? defaultHasher({ workerUrl }),
    session: { scope, resume, maxCopiedBytes: safeCopies?.maxBytes ?? 0 },
    openStorage: (onDegraded) => {
      if (storage === false) return memoryStorage();
      return storage ?? browserStorage({ databaseName, scope, runtime, onDegraded });
    },
  });
}
