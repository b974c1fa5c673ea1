import { randomUUID } from 'node:crypto';
import {
  assetChangesRequestSchema,
  assetIdSchema,
  assetsQuerySchema,
  reconcileRequestSchema,
  type StatsResponse,
  searchQuerySchema,
  uploadCompleteRequestSchema,
  uploadUrlQuerySchema,
  uploadUrlsRequestSchema,
} from 'bulkhead/protocol';
import { type Context, Hono } from 'hono';
import { routePath } from 'hono/route';
import type { StatusReader } from '../admin/status.ts';
import { BodyAbortedError, webBody } from '../blobs/request-body.ts';
import type { Clock } from '../clock.ts';
import { fromDatabase } from '../database/database-problem.ts';
import type { ChangeHub } from '../events/change-hub.ts';
import type { ReadinessChecker } from '../health/readiness.ts';
import type { DeadLetters } from '../library/dead-letters.ts';
import type { Library } from '../library/library.ts';
import type { Search } from '../library/search.ts';
import type { StatsReader } from '../library/stats.ts';
import type { Logger } from '../logging.ts';
import { fromMachine } from '../machine-problem.ts';
import { ProblemError, problemResponse } from '../problem-error.ts';
import type { RateLimiter } from '../rate-limit/rate-limiter.ts';
import type { ServerTelemetry } from '../telemetry/server-telemetry.ts';
import type { Finalizer } from '../uploads/finalize.ts';
import type { CredentialIssuer } from '../uploads/issue-credentials.ts';
import type { LegacyUploads } from '../uploads/legacy-upload.ts';
import type { MultipartUploads } from '../uploads/multipart.ts';
import type { PackReceiver } from '../uploads/receive-pack.ts';
import type { Reconciler } from '../uploads/reconcile.ts';
import { mountAdminRoutes } from './admin-routes.ts';
import { type Authorize, identify, refuseForeignOrigin } from './authorize.ts';
import { type CronParts, mountCronRoutes } from './cron-routes.ts';
import { mountDeadLetterRoutes } from './dead-letter-routes.ts';
import { mountEvents } from './events.ts';
import { mountHealth } from './health.ts';
import { mountLegacyUpload } from './legacy-routes.ts';
import { mountMultipartRoutes } from './multipart-routes.ts';
import type { RequireOperator } from './operator.ts';
import { mountPacks } from './pack-routes.ts';
import { parse, refuseLongBatch } from './parse.ts';
import { readJson } from './read-json.ts';
import { mountTelemetry } from './telemetry.ts';
import { mountWebhooks, type Webhook } from './webhooks.ts';

export interface AppParts {
  authorize: Authorize;
  issuer: CredentialIssuer;
  finalizer: Finalizer;
  multipart: MultipartUploads;
  reconciler: Reconciler;
  /** Without it, forms are not taken. */
  legacy: LegacyUploads | undefined;
  /** Where a form without JavaScript goes on. */
  legacyRedirect: string | undefined;
  /** Without one, packs are not taken. */
  packs: PackReceiver | undefined;
  library: Library;
  search: Search;
  stats: StatsReader;
  hub: ChangeHub;
  rateLimiter: RateLimiter;
  deadLetters: DeadLetters;
  status: StatusReader;
  /** Whether there is an operator. */
  hasOperator: boolean;
  cron: CronParts | undefined;
  logger: Logger;
  clock: Clock;
  readiness: ReadinessChecker;
  telemetry: ServerTelemetry;
  requireOperator: RequireOperator;
  /** Origins of pages that may call this server though they are served elsewhere. */
  allowedOrigins: readonly string[];
  /** By provider. */
  webhooks?: Readonly<Record<string, Webhook>>;
  /** Where the routes are mounted, without a slash at its end. */
  basePath: string;
}

interface Variables {
  requestId: string;
  userId: string;
  setCookie: string | undefined;
}

type AppContext = Context<{ Variables: Variables }>;

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The HTTP side of the kit: a web-standard `Request → Response` with all its routes. */
export function createApp(parts: AppParts): (request: Request) => Promise<Response> {
  const { authorize, issuer, finalizer, reconciler, library, search, stats, hub } = parts;
  const { rateLimiter, logger, clock, telemetry } = parts;
  const app = new Hono<{ Variables: Variables }>();
  const path = (route: string) => `${parts.basePath}${route}`;

  /** Refuses what a page of another site sends, then finds out whose request it is. */
  const guard = async (c: AppContext): Promise<string> => {
    const { raw } = c.req;
    if (!SAFE_METHODS.has(raw.method)) refuseForeignOrigin(raw, parts.allowedOrigins);
    const { userId, setCookie } = await identify(authorize, raw);
    c.set('userId', userId);
    c.set('setCookie', setCookie);
    return userId;
  };

  const takeToken = async (userId: string) => {
    const { allowed, retryAfter } = await rateLimiter.consume(userId, 1);
    if (allowed) return;
    throw new ProblemError(
      'rate_limited',
      `Too many uploads. Please wait ${retryAfter}s and try again`,
      { retryAfterSeconds: retryAfter },
    );
  };

  const queryOf = (c: AppContext) => Object.fromEntries(new URL(c.req.url).searchParams);

  const assetIdOf = (c: AppContext): string => {
    const id = assetIdSchema.safeParse(c.req.param('id'));
    if (!id.success) throw new ProblemError('not_found', 'There is no such asset');
    return id.data;
  };

  app.use(async (c, next) => {
    const startedMs = performance.now();
    c.set('requestId', randomUUID());
    await next();
    finish(c, parts.allowedOrigins);
    const seconds = (performance.now() - startedMs) / 1000;
    const { status } = c.res;
    telemetry.answered({ method: methodOf(c), route: routeOf(c), status, seconds });
    const ms = Math.round(seconds * 1000);
    // The path without its query: that may hold file names.
    const fields = { requestId: c.get('requestId'), method: c.req.method, path: c.req.path };
    logger.debug({ ...fields, status, ms }, 'Answered');
  });

  mountHealth(app, { path, readiness: parts.readiness });
  mountTelemetry(app, { path, requireOperator: parts.requireOperator, telemetry });
  mountEvents(app, { path, guard, hub, authorize });

  app.get(path('/api/upload-url'), async (c) => {
    const userId = await guard(c);
    await takeToken(userId);
    const query = parse(uploadUrlQuerySchema, queryOf(c));
    return c.json(await issuer.issueOne(userId, query));
  });

  app.post(path('/api/upload-urls'), async (c) => {
    const userId = await guard(c);
    await takeToken(userId);
    const body = await readJson(c.req.raw);
    refuseLongBatch(body, 'files');
    const { files } = parse(uploadUrlsRequestSchema, body);
    const results = await issuer.issueBatch(userId, files);
    return c.json({ results, ...(parts.packs && { pack: parts.packs.limits }) });
  });

  app.post(path('/api/upload-complete'), async (c) => {
    const userId = await guard(c);
    const body = await readJson(c.req.raw);
    refuseLongBatch(body, 'uploads');
    const request = parse(uploadCompleteRequestSchema, body);
    if ('uploads' in request) {
      return c.json({ results: await finalizer.finalize(userId, request.uploads) });
    }
    const [result] = await finalizer.finalize(userId, [request]);
    if (!result) throw new Error('Finalize gave no result');
    if (!result.success) throw new ProblemError(result.error.code, result.error.detail);
    return c.json({ success: true, asset: result.asset });
  });

  app.post(path('/api/uploads/reconcile'), async (c) => {
    const userId = await guard(c);
    const body = await readJson(c.req.raw);
    refuseLongBatch(body, 'files');
    const { files } = parse(reconcileRequestSchema, body);
    return c.json({ results: await reconciler.reconcile(userId, files) });
  });

  mountMultipartRoutes(app, { path, guard, multipart: parts.multipart });

  app.get(path('/api/processing-stats'), async (c) => {
    const userId = await guard(c);
    const answer: StatsResponse = {
      stats: await stats.read(userId),
      timestamp: new Date(clock()).toISOString(),
    };
    return c.json(answer);
  });

  app.get(path('/api/assets'), async (c) => {
    const userId = await guard(c);
    return c.json(await library.page(userId, parse(assetsQuerySchema, queryOf(c))));
  });

  app.post(path('/api/assets/changes'), async (c) => {
    const userId = await guard(c);
    const body = await readJson(c.req.raw);
    refuseLongBatch(body, 'ids');
    const { ids } = parse(assetChangesRequestSchema, body);
    return c.json({ changes: await library.changes(userId, ids) });
  });

  app.get(path('/api/assets/:id'), async (c) => {
    const userId = await guard(c);
    return c.json({ asset: await library.asset(userId, assetIdOf(c)) });
  });

  app.post(path('/api/assets/:id/retry-processing'), async (c) => {
    const userId = await guard(c);
    await takeToken(userId);
    return c.json({ success: true, asset: await library.retryProcessing(userId, assetIdOf(c)) });
  });

  app.get(path('/api/search'), async (c) => {
    const userId = await guard(c);
    return c.json(await search.run(userId, parse(searchQuerySchema, queryOf(c))));
  });

  mountLegacyUpload(app, { ...parts, path, guard, takeToken });
  mountPacks(app, { path, guard, packs: parts.packs });
  mountWebhooks(app, { path, webhooks: parts.webhooks ?? {} });
  mountDeadLetterRoutes(app, { ...parts, guard, takeToken });
  mountCronRoutes(app, parts);
  mountAdminRoutes(app, parts);

  // A route that exists, asked by another method: after the routes, so that it gets the rest.
  const methods = new Map<string, Set<string>>();
  for (const route of app.routes) {
    if (route.method === 'ALL') continue;
    const known = methods.get(route.path) ?? new Set(['OPTIONS']);
    known.add(route.method);
    if (route.method === 'GET') known.add('HEAD');
    methods.set(route.path, known);
  }
  for (const [route, known] of methods) {
    const allow = [...known].sort().join(', ');
    app.all(route, (c) => {
      webBody(c.req.raw).drain();
      if (c.req.method !== 'OPTIONS') {
        return problemResponse({ code: 'method_not_allowed' }, { Allow: allow });
      }
      return c.body(null, 204, {
        Allow: allow,
        'Access-Control-Allow-Methods': allow,
        'Access-Control-Allow-Headers': 'content-type, last-event-id, authorization',
        'Access-Control-Max-Age': '7200',
      });
    });
  }
  app.notFound((c) => {
    webBody(c.req.raw).drain();
    return problemResponse({ code: 'not_found', detail: 'There is no such route' });
  });

  app.onError((thrown, c) => {
    webBody(c.req.raw).drain();
    const requestId = c.get('requestId');
    const error = fromMachine(fromDatabase(thrown));
    if (error instanceof ProblemError) {
      if (error.code === 'unavailable') {
        logger.error({ requestId, err: error.cause }, 'The server is unavailable');
      }
      if (error.code === 'rate_limited') telemetry.rateLimited();
      const { code, message, retryAfterSeconds, headers } = error;
      return problemResponse({ code, detail: message, retryAfterSeconds }, headers);
    }
    // Mostly nobody is there to read it; a form of another boundary ends early, too.
    if (error instanceof BodyAbortedError) {
      return problemResponse({ code: 'invalid_request', detail: error.message });
    }
    const fields = { requestId, method: c.req.method, path: c.req.path };
    logger.error({ ...fields, err: error }, 'A request failed');
    return problemResponse({
      code: 'internal',
      detail: `The server failed. Its log has more under request id ${requestId}`,
    });
  });

  return async (request) => app.fetch(request);
}

const METHODS = new Set([...SAFE_METHODS, 'POST', 'PUT', 'PATCH', 'DELETE']);

/** Whatever a client made up is one label. */
function methodOf(c: AppContext): string {
  return METHODS.has(c.req.method) ? c.req.method : 'OTHER';
}

/** The pattern, never the path: that has ids in it. */
function routeOf(c: AppContext): string {
  const route = routePath(c, -1);
  return route.includes('*') ? 'none' : route;
}

/** What every answer carries. */
function finish(c: AppContext, allowedOrigins: readonly string[]): void {
  const { headers } = c.res;
  headers.set('X-Request-Id', c.get('requestId'));
  headers.set('X-Content-Type-Options', 'nosniff');
  headers.set('Referrer-Policy', 'no-referrer');
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store');
  const setCookie = c.get('setCookie');
  if (setCookie !== undefined) headers.append('Set-Cookie', setCookie);
  const origin = c.req.header('origin');
  if (allowedOrigins.length > 0) headers.append('Vary', 'Origin');
  if (origin !== undefined && allowedOrigins.includes(origin)) {
    headers.set('Access-Control-Allow-Origin', origin);
    headers.set('Access-Control-Allow-Credentials', 'true');
    headers.set('Access-Control-Expose-Headers', 'Retry-After, X-Request-Id');
  }
}
