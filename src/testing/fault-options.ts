import * as z from 'zod/mini';
import { CREDENTIAL_TTL_SECONDS, packLimitsSchema, problemCodes } from '../protocol/index.ts';
import { faultPlanSchema, faultRoutesSchema } from './fault-rules.ts';

const ms = z.number().check(z.minimum(0));

/** How the server behaves towards everyone, next to the plan's rules for single requests. */
export const behaviourSchema = z.strictObject({
  /** Added to every answer's delay. Default 0. */
  latencyMs: z._default(ms, 0),
  /** A token bucket; what exceeds it is refused. Default: none. */
  rateLimit: z._default(
    z.nullable(
      z.strictObject({
        requestsPerSecond: z.number().check(z.positive()),
        /** Requests that may come at once. Default: one second's worth, at least 1. */
        burst: z.optional(z.number().check(z.minimum(1))),
        /** Which routes share the bucket. Default `put`. */
        routes: z._default(faultRoutesSchema, 'put'),
        /** Default 429. */
        status: z._default(z.union([z.literal(429), z.literal(503)]), 429),
        /** How the answer says when to come again. Default `seconds`. */
        retryAfter: z._default(z.enum(['seconds', 'date', 'none']), 'seconds'),
      }),
    ),
    null,
  ),
  /** How wrong the server's clock is: in its Date header and in every date it says. Default 0. */
  clockSkewMs: z._default(z.number(), 0),
  /** How long a credential may be used. Default 5 min. */
  urlTtlMs: z._default(ms, CREDENTIAL_TTL_SECONDS * 1_000),
  /** Whether answers carry CORS headers. Default true. */
  hasCors: z._default(z.boolean(), true),
  /** Whether pages may read the store's ETag. Default true. */
  exposesEtag: z._default(z.boolean(), true),
  /** How often an object that was stored is not seen by HEAD, finalize and reconcile. Default 0. */
  invisibleLooks: z._default(z.int().check(z.minimum(0)), 0),
  /**
   * `muted`: streams open and say nothing; `reversed`: newer changes come before older ones;
   * `repeated`: every event comes twice, the second time after the next one. Default `normal`.
   */
  events: z._default(z.enum(['normal', 'muted', 'reversed', 'repeated']), 'normal'),
});
/**
 * How the server behaves towards everyone.
 *
 * @interface
 */
export type FaultBehaviour = z.input<typeof behaviourSchema>;
export type ResolvedBehaviour = z.output<typeof behaviourSchema>;

/** What becomes of finalized files. Nothing is decoded: it takes its time, then says so. */
export const processingSchema = z.strictObject({
  /** How long the image takes. Default 20 ms. */
  processMs: z._default(ms, 20),
  /** How long the embedding takes. Default 20 ms. */
  embedMs: z._default(ms, 20),
  /** Files that fail, by name (`*` stands for anything). Default: none. */
  failures: z._default(
    z.array(
      z.strictObject({
        filename: z.string(),
        stage: z._default(z.enum(['processing', 'embedding']), 'processing'),
        code: z._default(z.enum(problemCodes), 'undecodable'),
        /** How often, for each file; after that it succeeds. Default: always. */
        times: z.optional(z.int().check(z.minimum(1))),
      }),
    ),
    [],
  ),
});
/**
 * What becomes of finalized files.
 *
 * @interface
 */
export type FaultProcessing = z.input<typeof processingSchema>;
export type ResolvedProcessing = z.output<typeof processingSchema>;

/** The part of the options that can be written as JSON. */
export const plainOptionsSchema = z.strictObject({
  /** Rules for single requests. Default: none. */
  plan: z._default(faultPlanSchema, []),
  behaviour: z.prefault(behaviourSchema, {}),
  processing: z.prefault(processingSchema, {}),
  /** Whether the Bulkhead wire is spoken; else there is the store only. Default true. */
  api: z._default(z.boolean(), true),
  /**
   * Whether the store takes PUTs to any key without a signature, as a store behind an API of your own
   * would. Default: only without `api`. Checksums are then those of an `x-amz-checksum-sha256` or
   * `x-checksum-sha256` header, if there is one.
   */
  isOpen: z.optional(z.boolean()),
  /** Whether a PUT to a key that is taken is refused: always, or with `If-None-Match: *`. */
  createOnly: z._default(z.enum(['always', 'if-none-match']), 'always'),
  /** Largest file that gets a credential. Default 100 MB. */
  maxFileBytes: z._default(z.int().check(z.minimum(1)), 100 * 1024 * 1024),
  /** What one pack may carry. Default: no packs are taken. */
  packs: z.optional(packLimitsSchema),
  /** Whether the bytes are kept, or only their size and SHA-256. Default false. */
  keepsBodies: z._default(z.boolean(), false),
  /** What browsers are told to wait before they open a stream again. Default 200 ms. */
  streamRetryMs: z._default(ms, 200),
});
/**
 * What `spawn` takes: the options that can be written as JSON.
 *
 * @interface
 */
export type FaultServerPlainOptions = z.input<typeof plainOptionsSchema>;

export const serverOptionsSchema = z.extend(plainOptionsSchema, {
  /** Wall-clock milliseconds, for expiry and the rate limit. Default `Date.now`. */
  clock: z._default(
    z.custom<() => number>((value) => typeof value === 'function', 'expected a function'),
    () => Date.now,
  ),
});
/**
 * What `createFaultServer` takes.
 *
 * @interface
 */
export type FaultServerOptions = z.input<typeof serverOptionsSchema>;
export type ResolvedServerOptions = z.output<typeof serverOptionsSchema>;
