import { MAX_BATCH_FILES, type PackLimits } from 'bulkhead/protocol';
import * as z from 'zod';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Clock } from './clock.ts';
import type { OpenDatabase } from './database/open-database.ts';
import type { Embedder } from './embeddings/embedder.ts';
import type { JobSlices } from './jobs/job-slices.ts';
import type { Queue } from './jobs/queue.ts';
import type { Logger } from './logging.ts';
import type { RateLimiter } from './rate-limit/rate-limiter.ts';
import type { Authorize } from './routes/authorize.ts';
import type { Webhook } from './routes/webhooks.ts';
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
  /** Tokens a user can save up; a request for credentials takes one. Default 100. */
  rateLimitCapacity: z.number().positive().default(100),
  /** Tokens a user gets back in a minute. Default 10. */
  rateLimitPerMinute: z.number().positive().default(10),
  /**
   * Reservations of one user that are neither finalized nor expired. 10,000: a tab holds about 500, so some
   * twenty tabs fit, and who only reserves gets no further. At least one batch must fit.
   */
  maxOpenUploads: positiveInt.min(MAX_BATCH_FILES).default(10_000),
  /** Files one user can add in 24 hours. 250,000: more than twice a folder of 100,000. */
  maxFilesPerDay: positiveInt.default(250_000),
  /** Bytes one user can add in 24 hours. 1 TiB: twice 100,000 photos of 5 MB. */
  maxBytesPerDay: positiveInt.default(1024 ** 4),
  /** Reservations are given up so long after their URL expired. At least twice its lifetime. Default 24 h. */
  sweepGraceMs: positiveInt.min(600_000).default(24 * 60 * 60 * 1000),
  /**
   * When more than this share of 1,000 listed objects (and more than 100) has no row, the sweep deletes none:
   * another database shares the store, or this one was restored from a backup. 1 deletes in any case. Default 0.5.
   */
  maxOrphanShare: z.number().min(0).max(1).default(0.5),
  /** How often the sweep runs. Default 10 min. */
  sweepIntervalMs: positiveInt.default(10 * 60 * 1000),
  /** Changes are pushed together when they happen within so long. Default 250 ms. */
  coalesceMs: positiveInt.default(250),
  /** How often a silent stream says that it lives. Default 15 s: common proxies close it after 30 s of silence. */
  heartbeatMs: positiveInt.default(15_000),
  /** An event stream without an event for so long is closed. Default 5 min. */
  streamIdleMs: positiveInt.default(5 * 60_000),
  /** Event streams of one user. Default 10. */
  maxStreamsPerUser: positiveInt.default(10),
  /** Event streams of this process, a connection each. Default 2,000. See docs/server/events.md for their cost. */
  maxStreams: positiveInt.default(2000),
  /** How often a stream's session is checked: it ends at the next heartbeat after that. Default 30 s. */
  streamReauthorizeMs: positiveInt.max(15 * 60_000).default(30_000),
});

/**
 * Limits of size, pace and number. Each has a default.
 *
 * @interface
 */
export type Limits = z.input<typeof limitsSchema>;

/** Sent in a header, so printable ASCII. Make one by `openssl rand -hex 32`. */
const bearerSecret = z
  .string()
  .regex(/^[\x21-\x7e]{32,}$/, 'expected at least 32 printable ASCII characters without spaces');

/** Slices of work for hosts that run no worker, such as functions called by a cron. */
const cronSchema = z
  .strictObject({
    /** At least 32 characters, sent as `Authorization: Bearer`. Without one the routes answer 404. */
    secret: bearerSecret.optional(),
    /** `workers.slice`. It may be made after the server: `(name, bounds) => workers.slice(name, bounds)`. */
    run: callable<JobSlices>('a function (name, bounds) => Promise<result>'),
    /** Jobs of one call. Default 1,000. */
    maxJobs: positiveInt.default(1000),
    /** A call has answered a second after this; keep it below the host's limit, often 60 s. Default 50 s. */
    deadlineMs: positiveInt.max(15 * 60_000).default(50_000),
    /** Jobs at once within one call. Default 2. */
    concurrency: positiveInt.max(64).default(2),
  })
  .refine((cron) => cron.secret !== undefined || process.env.NODE_ENV !== 'production', {
    error: 'in production cron needs a secret of at least 32 characters, or leave cron out',
    path: ['secret'],
  });

/** What is taken in one pack: many small files in one body. */
const packsSchema = z
  .strictObject({
    /** Files. 256: in packs of 16 KB thumbnails, as many as fit into the bytes. */
    maxFiles: positiveInt.max(MAX_BATCH_FILES).default(256),
    /** Bytes of all files. 4 MiB, below the 4.5 MB that hosts of functions take. */
    maxBytes: positiveInt.max(64 * 1024 * 1024).default(4 * 1024 * 1024),
    /** Bytes of one file, which is held in memory. 512 KiB: above it, a PUT of its own costs little more. */
    maxFileBytes: positiveInt.default(512 * 1024),
  })
  .refine(({ maxFileBytes, maxBytes }) => maxFileBytes <= maxBytes, {
    error: 'expected at most maxBytes',
    path: ['maxFileBytes'],
  });

const common = {
  /** Says whose request it is. Required: there is no default that would be safe. */
  authorize: callable<Authorize>('a function (request) => Promise<userId | null>'),
  /** Limits of size, pace and number. */
  limits: limitsSchema.prefault({}),
  /**
   * `POST /api/upload-pack`. Its bytes go through this server, so it is on by default only where the store is
   * on this server's own disk; `{}` switches it on for every store, `false` off.
   */
  packs: z.union([z.literal(false), packsSchema]).optional(),
  /** `POST /api/upload`, one file as a form through this server. Default `true`; `false` switches it off. */
  legacyUpload: z.boolean().optional(),
  /** A path or URL where a form without JavaScript goes on after `POST /api/upload`. Default: it is answered JSON. */
  legacyRedirect: z
    .string()
    .regex(/^(?:\/(?!\/)|https?:\/\/)\S*$/, 'expected a path or an http(s) URL')
    .optional(),
  /** Default: JSON lines on stdout. */
  logger: object<Logger>('a logger with debug, info, warn and error').optional(),
  /** Origins of pages served elsewhere that may call this server with their cookies. Default: none. */
  allowedOrigins: z.array(origin).default([]),
  /** Where the routes are mounted, such as `/kit`. Default '': at the root. */
  basePath: z
    .string()
    .regex(/^(?:\/[\w.~-]+)*$/, 'expected "" or a path such as /kit, without a slash at its end')
    .default(''),
  /** The operator's bearer token, for `/admin`: at least 32 characters. Without one there is no such page. */
  operatorToken: bearerSecret.optional(),
  /** Milliseconds since the epoch. Default `Date.now`. */
  clock: callable<Clock>('a function () => milliseconds').optional(),
  /** Default: token buckets by the limits, in memory or (on PostgreSQL) in the database. */
  rateLimiter: object<RateLimiter>('a rate limiter').optional(),
  /**
   * How loaded the server is, from 0 to 1: above 0.5 the default rate limiter slows its refills down.
   * Default: measured, see `createServerPressure`.
   */
  pressure: callable<() => number>('a function () => number from 0 to 1').optional(),
  /** Bounds of searches by meaning and likeness. */
  search: z
    .strictObject({
      /** Memory for vectors where the database has no pgvector. Default 256 MB. */
      cacheBytes: positiveInt.optional(),
      /** A user's vectors of one model from which an HNSW index is used. Default 100,000. */
      approximateFrom: positiveInt.optional(),
    })
    .prefault({}),
  /**
   * When it embeds text, searches go by meaning too. A server with workers elsewhere takes the same one as
   * they. Default: an embedded server has the offline descriptor of how pictures look.
   */
  embedder: object<Embedder>('an embedder').optional(),
  /** Keeps the pace of the embedder's provider; workers elsewhere share it. Default: one in memory. */
  providerLimiter: object<RateLimiter>('a rate limiter').optional(),
  /** Answers `POST /api/webhooks/<name>`, such as `{ replicate: createReplicateWebhook(…) }`. Default: none. */
  webhooks: z
    .record(z.string().regex(/^[a-z][a-z0-9-]*$/), callable<Webhook>('a function of a request'))
    .default({}),
  /** Shared with workers of this process. Default: one of its own. */
  telemetry: object<ServerTelemetry>('what createServerTelemetry gives').optional(),
};

export const serverOptionsSchema = z.strictObject({
  ...common,
  /** As `openEmbeddedDatabase` or `openPostgresDatabase` opened it. */
  database: object<OpenDatabase>('an open database'),
  /** Where the bytes are. */
  blobStore: object<BlobStore>('a blob store'),
  /** Carries the work to workers. */
  queue: object<Queue>('a queue'),
  /** Work in slices, for hosts that run no worker. Default: no such routes. */
  cron: cronSchema.optional(),
});

/**
 * What `createBulkheadServer` takes.
 *
 * @interface
 */
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
  /** Of `/api/cron/…`: at least 32 characters. Default: no such routes, as workers run here anyway. */
  cronSecret: bearerSecret.optional(),
  /** Images processed at once. Default: by the workers, 2. */
  processConcurrency: positiveInt.optional(),
  /** Embeddings made at once. Default: by the workers, 2. */
  embedConcurrency: positiveInt.optional(),
});

/**
 * What `createEmbeddedServer` takes.
 *
 * @interface
 */
export type EmbeddedOptions = z.input<typeof embeddedOptionsSchema>;

/** Settings of one process beside the environment's: see `defineConfig`. */
export const configSchema = z.strictObject({
  ...common,
  /** Says whose request it is. Default: the header that `BULKHEAD_USER_HEADER` names. */
  authorize: common.authorize.optional(),
  /** Each goes before the environment's. */
  limits: object<Limits>('an object of limits').optional(),
  // Without the default: it would always go before the environment's.
  /** Origins of pages served elsewhere that may call this server. Default: by the environment. */
  allowedOrigins: z.array(origin).optional(),
  /** Where the routes are mounted. Default: by the environment. */
  basePath: z.string().optional(),
  /** Default: by the environment. */
  blobStore: object<BlobStore>('a blob store').optional(),
});

/**
 * What `defineConfig` takes.
 *
 * @interface
 */
export type Config = z.input<typeof configSchema>;

/** What is taken in a pack by this store, if packs are taken at all. */
export function packsOf(
  packs: false | PackLimits | undefined,
  { capabilities }: Pick<BlobStore, 'capabilities'>,
): PackLimits | undefined {
  if (packs === false) return undefined;
  return packs ?? (capabilities.isLocal ? packsSchema.parse({}) : undefined);
}

/** @throws {OptionsError} */
export function resolveOptions<T extends z.ZodType>(schema: T, options: unknown): z.output<T> {
  const result = schema.safeParse(options);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) =>
    issue.path.length ? `${issue.path.join('.')}: ${issue.message}` : issue.message,
  );
  throw new OptionsError(`Options do not fit: ${lines.join('; ')}`);
}
