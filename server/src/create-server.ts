import { sql } from 'kysely';
import { createStatusReader } from './admin/status.ts';
import { logSweep } from './admin/sweep-log.ts';
import { resolveOptions, type ServerOptions, serverOptionsSchema } from './config.ts';
import { createLane } from './embeddings/create-lane.ts';
import { createTextQueries } from './embeddings/text-queries.ts';
import type { ChangeFeed } from './events/change-feed.ts';
import { createChangeHub } from './events/change-hub.ts';
import { createAssetView } from './library/asset-view.ts';
import { createDeadLetters } from './library/dead-letters.ts';
import { createLibrary } from './library/library.ts';
import { createSearch } from './library/search.ts';
import { createStatsReader } from './library/stats.ts';
import { createVectorIndex } from './library/vector-index.ts';
import { createLogger } from './logging.ts';
import { createDefaultLimiter } from './rate-limit/default-limiter.ts';
import type { Quotas } from './rate-limit/quota.ts';
import { createApp } from './routes/app.ts';
import { createFinalizer } from './uploads/finalize.ts';
import { createCredentialIssuer } from './uploads/issue-credentials.ts';
import { createReconciler } from './uploads/reconcile.ts';
import { sweepUploads } from './uploads/sweep.ts';

/** The server kit on parts of your own. */
export interface BulkheadServer {
  /** Mounts anywhere that speaks web-standard requests. */
  fetch(request: Request): Promise<Response>;
  /** To be told by workers after every commit. */
  changes: ChangeFeed;
  /** Asks whether the store can be used, and logs why not; sweeps now, and then every ten minutes. */
  start(): Promise<void>;
  /** Removes what uploads left behind; see `sweepUploads`. @returns how many reservations were given up. */
  sweep(): Promise<number>;
  /** Ends event streams and the sweeping. The parts stay open: they are yours. */
  close(): Promise<void>;
}

/**
 * Joins a database, a blob store and a queue to the routes. Workers are apart (`createWorkers`), so
 * that they can run elsewhere.
 * @throws {OptionsError} naming every option that does not fit.
 */
export function createBulkheadServer(options: ServerOptions): BulkheadServer {
  const resolved = resolveOptions(serverOptionsSchema, options);
  const { database, blobStore: blobs, queue, limits, authorize, allowedOrigins } = resolved;
  const { db } = database;
  const { clock = Date.now, logger = createLogger(), basePath } = resolved;
  const { rateLimiter: given, pressure } = resolved;
  const limiter = given
    ? { rateLimiter: given, close() {} }
    : createDefaultLimiter({ database, limits, pressure, clock: resolved.clock, logger });
  const { rateLimiter } = limiter;

  const view = createAssetView(blobs);
  const stats = createStatsReader(db, clock);
  const hub = createChangeHub({
    db,
    view,
    stats,
    clock,
    logger,
    limits: {
      coalesceMs: limits.coalesceMs,
      heartbeatMs: limits.heartbeatMs,
      idleMs: limits.streamIdleMs,
      maxStreamsPerUser: limits.maxStreamsPerUser,
    },
  });
  const index = createVectorIndex(database, logger, resolved.search);
  const { embedder, providerLimiter } = resolved;
  const lane = embedder && createLane(embedder, { db, clock, logger, providerLimiter });
  const textQueries = embedder && lane && createTextQueries(embedder, lane, logger);
  const { maxFileBytes } = limits;
  const quotas: Quotas = limits;
  const deadLetters = createDeadLetters({ db, queue, view, changes: hub });
  const { cron, operatorToken } = resolved;
  const handle = createApp({
    deadLetters,
    status: createStatusReader({ db, queue, deadLetters, clock }),
    operatorToken,
    cron: cron && {
      secret: cron.secret,
      run: cron.run,
      bounds: {
        maxJobs: cron.maxJobs,
        deadlineMs: cron.deadlineMs,
        concurrency: cron.concurrency,
      },
    },
    authorize,
    issuer: createCredentialIssuer({ db, blobs, view, maxFileBytes, quotas, clock }),
    finalizer: createFinalizer({ db, blobs, queue, view, changes: hub, quotas, clock, logger }),
    reconciler: createReconciler({ db, blobs, view, sweepGraceMs: limits.sweepGraceMs, clock }),
    library: createLibrary({ db, queue, view, changes: hub }),
    search: createSearch({ db, index, view, textQueries }),
    stats,
    hub,
    rateLimiter,
    logger,
    clock,
    checkHealth: async () => {
      await sql`select 1`.execute(db);
    },
    allowedOrigins,
    webhooks: resolved.webhooks,
    basePath,
  });

  let sweeping: Promise<number> | undefined;
  const sweepAll = async () => {
    await rateLimiter.sweep?.();
    const { sweepGraceMs: graceMs, maxOrphanShare } = limits;
    const report = await sweepUploads({
      ...{ db, blobs, queue, clock, logger, graceMs, maxOrphanShare },
      changes: hub,
    });
    return report.reservations;
  };
  const sweep = () => {
    sweeping ??= logSweep(db, logger, 'uploads', sweepAll).finally(() => {
      sweeping = undefined;
    });
    return sweeping;
  };
  const sweepQuietly = () =>
    sweep().catch((error: unknown) => {
      logger.error({ err: error }, 'The sweep failed; the next one goes on');
    });
  let timer: NodeJS.Timeout | undefined;

  return {
    fetch: handle,
    changes: hub,
    async start() {
      if (timer) return;
      timer = setInterval(sweepQuietly, limits.sweepIntervalMs).unref();
      // Not fatal: what does not need the store works, and the store may come back.
      await blobs.ping().catch((error: unknown) => {
        logger.error({ err: error }, 'The object store cannot be used');
      });
      await sweepQuietly();
    },
    sweep,
    async close() {
      clearInterval(timer);
      limiter.close();
      hub.close();
      await sweeping?.catch(() => {});
      await index.close();
    },
  };
}
