import * as z from 'zod';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Clock } from './clock.ts';
import type { OpenDatabase } from './database/open-database.ts';
import type { Queue } from './jobs/queue.ts';
import type { Logger } from './logging.ts';
import type { RateLimiter } from './rate-limit/token-bucket.ts';
import type { Authorize } from './routes/authorize.ts';
import type { ServerTelemetry } from './telemetry/server-telemetry.ts';

/** An option is missing, misspelt or out of bounds; the message names each one. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

const object = <T extends object>(what: string) =>
  z.custom<T>((value) => typeof value === 'object' && value !== null, `expected ${what}`);
const callable = <T>(what: string) =>
  z.custom<T>((value) => typeof value === 'function', `expected ${what}`);

const origin = z
  .string()
  .refine((value) => URL.canParse(value) && new URL(value).origin === value, {
    error: 'expected an origin such as https://app.example, without a path',
  });

const positiveInt = z.int().positive();

/** Every limit has a default. */
export const limitsSchema = z.strictObject({
  /** Largest file, in bytes. 100 MB: beyond any photo, below what one PUT should carry. */
  maxFileBytes: positiveInt.default(100 * 1024 * 1024),
  /** Tokens a user can save up; a request for credentials takes one. */
  rateLimitCapacity: z.number().positive().default(100),
  rateLimitPerMinute: z.number().positive().default(10),
  /** Reservations are given up so long after their URL expired. At least twice its lifetime. */
  sweepGraceMs: positiveInt.min(600_000).default(24 * 60 * 60 * 1000),
  sweepIntervalMs: positiveInt.default(10 * 60 * 1000),
  /** Changes are pushed together when they happen within so long. */
  coalesceMs: positiveInt.default(250),
  /** Below the 30 s after which common proxies close a silent connection. */
  heartbeatMs: positiveInt.default(15_000),
  /** An event stream without an event for so long is closed. */
  streamIdleMs: positiveInt.default(5 * 60_000),
  maxStreamsPerUser: positiveInt.default(10),
  /** Event streams of this process, a connection each; see docs/server/events.md for their cost. */
  maxStreams: positiveInt.default(2000),
  /** How often a stream's session is checked: it ends at the next heartbeat after that. */
  streamReauthorizeMs: positiveInt.max(15 * 60_000).default(30_000),
});

/** See {@link limitsSchema} for each one's meaning and default. */
export type Limits = z.input<typeof limitsSchema>;

const common = {
  /** Says whose request it is. Required: there is no default that would be safe. */
  authorize: callable<Authorize>('a function (request) => Promise<userId | null>'),
  limits: limitsSchema.prefault({}),
  /** Default: JSON lines on stdout. */
  logger: object<Logger>('a logger with debug, info, warn and error').optional(),
  /** Origins of pages served elsewhere that may call this server with their cookies. */
  allowedOrigins: z.array(origin).default([]),
  /** Where the routes are mounted, such as `/kit`. */
  basePath: z
    .string()
    .regex(/^(?:\/[\w.~-]+)*$/, 'expected "" or a path such as /kit, without a slash at its end')
    .default(''),
  /** Milliseconds since the epoch. Default `Date.now`. */
  clock: callable<Clock>('a function () => milliseconds').optional(),
  /** Default: token buckets in memory, by the limits. */
  rateLimiter: object<RateLimiter>('a rate limiter').optional(),
  /** What operators show to read telemetry. Without it there are no such routes in production. */
  operatorToken: z.string().min(32, 'expected at least 32 characters').optional(),
  /** Shared with workers of this process. Default: one of its own. */
  telemetry: object<ServerTelemetry>('what createServerTelemetry gives').optional(),
};

export const serverOptionsSchema = z.strictObject({
  ...common,
  /** As `openEmbeddedDatabase` or `openPostgresDatabase` opened it. */
  database: object<OpenDatabase>('an open database'),
  blobStore: object<BlobStore>('a blob store'),
  queue: object<Queue>('a queue'),
});

/** What {@link createBulkheadServer} takes. */
export type ServerOptions = z.input<typeof serverOptionsSchema>;

export const embeddedOptionsSchema = z.strictObject({
  ...common,
  /** Everything is kept under it; made when absent. For one process at a time. */
  dir: z.string().min(1),
  /** Signs the store's URLs: at least 32 bytes. Default: made once and kept in `dir`. */
  secret: z.string().min(32).optional(),
  /** Where the object store is reached from browsers. Default: wherever `listen` put it. */
  storeUrl: origin.optional(),
  /** Origins whose pages may use the object store. Default `'*'`: every URL carries its permit. */
  storeAllowedOrigins: z.union([z.literal('*'), z.array(origin)]).default('*'),
  /** Images processed at once. Default: by the workers, 2. */
  processConcurrency: positiveInt.optional(),
  /** Embeddings made at once. Default: by the workers, 2. */
  embedConcurrency: positiveInt.optional(),
});

/** What {@link createEmbeddedServer} takes. */
export type EmbeddedOptions = z.input<typeof embeddedOptionsSchema>;

/** @throws {OptionsError} */
export function resolveOptions<T extends z.ZodType>(schema: T, options: unknown): z.output<T> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) =>
    issue.path.length ? `${issue.path.join('.')}: ${issue.message}` : issue.message,
  );
  throw new OptionsError(`Options do not fit: ${lines.join('; ')}`);
}
