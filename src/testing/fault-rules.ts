import * as z from 'zod/mini';
import { problemCodes } from '../protocol/index.ts';

/** What a request is for. `put`, `head` and `get` go to the store, the others to the API. */
export const FAULT_ROUTES = [
  'credentials',
  'finalize',
  'pack',
  'reconcile',
  'events',
  'changes',
  'stats',
  'retry-processing',
  'put',
  'head',
  'get',
  'preflight',
] as const;
export const faultRouteSchema = z.enum(FAULT_ROUTES);
export type FaultRoute = z.infer<typeof faultRouteSchema>;

/** One route or several. */
export const faultRoutesSchema = z.union([faultRouteSchema, z.array(faultRouteSchema)]);
export type FaultRoutes = z.infer<typeof faultRoutesSchema>;

/**
 * When within a request: before anything is read (`headers`), after N bytes of its body (`body:N`;
 * never, when it has fewer), after its last byte (`after-body`), or after its effect took place and
 * before the answer (`after-commit`; never, when the request is refused).
 */
export type FaultPoint = 'headers' | `body:${number}` | 'after-body' | 'after-commit';

const faultPointSchema = z.custom<FaultPoint>(
  (value) =>
    typeof value === 'string' && /^(headers|body:\d+|after-body|after-commit)$/.test(value),
  "expected 'headers', 'body:<bytes>', 'after-body' or 'after-commit'",
);

/**
 * - `reset`: the connection is cut (TCP RST); `close`: it is closed without an answer
 * - `hang`: nothing more is read or answered, until `reset()` or `close()`
 * - `captive-portal`: 200 with a page of HTML, as hotel networks answer
 * - `no-cors`: the answer lacks its CORS headers, so that a page of another origin cannot read it
 * - `{ status }`: that answer; with `code` it is the problem+json of that code
 * - `{ delayMs }`: a pause, then on; `{ trickleBytesPerSecond }`: what is read from here on (or
 *   answered, at `after-body` and later) comes at this pace
 * - `{ fileProblem }`: `credentials`, `pack` and `finalize` only: the matching files of the batch get this
 *   problem, the others are served. `at` has no meaning then
 */
export const faultActionSchema = z.union(
  [
    z.enum(['reset', 'close', 'hang', 'captive-portal', 'no-cors']),
    z.strictObject({
      status: z.int().check(z.minimum(200), z.maximum(599)),
      headers: z.optional(z.record(z.string(), z.string())),
      body: z.optional(z.string()),
      code: z.optional(z.enum(problemCodes)),
    }),
    z.strictObject({ delayMs: z.number().check(z.minimum(0)) }),
    z.strictObject({ trickleBytesPerSecond: z.number().check(z.minimum(1)) }),
    z.strictObject({ fileProblem: z.enum(problemCodes), detail: z.optional(z.string()) }),
  ],
  "expected 'reset', 'close', 'hang', 'captive-portal', 'no-cors', { status }, { delayMs }, { trickleBytesPerSecond } or { fileProblem }",
);
export type FaultAction = z.infer<typeof faultActionSchema>;

const count = z.int().check(z.minimum(1));

/** One line of a plan. Without `match` it is for every request of every route but preflights. */
export const faultRuleSchema = z.strictObject({
  match: z.optional(
    z.strictObject({
      route: z.optional(faultRoutesSchema),
      /** The object's key; `*` stands for anything. */
      key: z.optional(z.string()),
      /** The file's name; `*` stands for anything. A batch matches when one of its files does. */
      filename: z.optional(z.string()),
      /** Which of the requests that match so far, counted from 1. Default: all. */
      nth: z.optional(
        z.union([
          count,
          z.strictObject({ every: count }),
          z.strictObject({ from: z.optional(count), to: z.optional(count) }),
        ]),
      ),
      /** Whether `nth` counts requests together or apart for each file. Default `all`. */
      countBy: z._default(z.enum(['all', 'file']), 'all'),
    }),
  ),
  /** Default `headers`. */
  at: z._default(faultPointSchema, 'headers'),
  do: faultActionSchema,
  /** How often the rule acts, at most. Default: without end. */
  times: z.optional(count),
});
/**
 * One line of a plan.
 *
 * @interface
 */
export type FaultRule = z.input<typeof faultRuleSchema>;
export type ResolvedFaultRule = z.output<typeof faultRuleSchema>;

export const faultPlanSchema = z.array(faultRuleSchema);
