import { createStatusReader } from './admin/status.ts';
import { logSweep } from './admin/sweep-log.ts';
import { packsOf, resolveOptions, type ServerOptions, serverOptionsSchema } from './config.ts';
import { createLane } from './embeddings/create-lane.ts';
import { createTextQueries } from './embeddings/text-queries.ts';
import type { ChangeFeed } from './events/change-feed.ts';
import { createChangeHub } from './events/change-hub.ts';
import { createReadinessChecker } from './health/readiness.ts';
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
import { type ConnectEvents, createConnectEvents } from './routes/events.ts';
import { createRequireOperator, type RequireOperator } from './routes/operator.ts';
import { parseManifest } from './routes/pack-routes.ts';
import { measureFinalizer, measureIssuer } from './telemetry/measured.ts';
import { createServerTelemetry, type ServerTelemetry } from './telemetry/server-telemetry.ts';
import { createFinalizer } from './uploads/finalize.ts';
import { createCredentialIssuer } from './uploads/issue-credentials.ts';
import { createLegacyUploads } from './uploads/legacy-upload.ts';
import { createMultipartUploads } from './uploads/multipart.ts';
import { createQuotaRoom } from './uploads/quota-room.ts';
import { createPackReceiver } from './uploads/receive-pack.ts';
import { createReconciler } from './uploads/reconcile.ts';
import { sweepUploads } from './uploads/sweep.ts';

/** The server kit on parts of your own. */
export interface BulkheadServer {
  /** Mounts anywhere that speaks web-standard requests. */
  fetch(request: Request): Promise<Response>;
  /** To be told by workers of this process after every commit. */
  changes: ChangeFeed;
  /** For other ways to carry events, such as `createWebSocketUpgrade`. */
  connectEvents: ConnectEvents;
  /** To be shared with workers of this process. */
  telemetry: ServerTelemetry;
  /** Lets operators pass, and nobody else: for routes of your own. */
  requireOperator: RequireOperator;
  /** Asks whether the store can be used, and logs why not; sweeps now, and then every ten minutes. */
  start(): Promise<void>;
  /** Removes what uploads left behind; see `sweepUploads`. @returns how many reservations were given up. */
  sweep(): Promise<number>;
  /** From now on `/readyz` answers 503, and everything else as before: for balancers to notice. */
  drain(): void;
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

  const telemetry = resolved.telemetry ?? createServerTelemetry({ database, clock, logger });
  const requireOperator = createRequireOperator({
    operatorToken: resolved.operatorToken,
    allowedOrigins,
  });
  const readiness = createReadinessChecker({ db, blobs, queue, clock, logger });

  const view = createAssetView(blobs);
  const stats = createStatsReader(db, clock);
  const hub = createChangeHub({
    db,
    signals: database.signals,
    view,
    stats,
    clock,
    logger,
    telemetry,
    limits: {
      coalesceMs: limits.coalesceMs,
      heartbeatMs: limits.heartbeatMs,
      idleMs: limits.streamIdleMs,
      maxStreamsPerUser: limits.maxStreamsPerUser,
      maxStreams: limits.maxStreams,
      reauthorizeMs: limits.streamReauthorizeMs,
    },
  });
  const index = createVectorIndex(database, logger, resolved.search);
  const { embedder, providerLimiter } = resolved;
  const lane = embedder && createLane(embedder, { db, clock, logger, providerLimiter });
  const textQueries = embedder && lane && createTextQueries(embedder, lane, logger);
  const { maxFileBytes } = limits;
  const quotas: Quotas = limits;
  const deadLetters = createDeadLetters({ db, queue, view, changes: hub });
  const { cron } = resolved;
  const issuer = createCredentialIssuer({ db, blobs, view, maxFileBytes, quotas, clock });
  const finalizer = createFinalizer({
    ...{ db, blobs, queue, view, changes: hub, quotas, clock, logger, telemetry },
  });
  const measuredIssuer = measureIssuer(issuer, telemetry);
  const measuredFinalizer = measureFinalizer(finalizer, telemetry);
  const packLimits = packsOf(resolved.packs, blobs);
  const handle = createApp({
    deadLetters,
    status: createStatusReader({ db, queue, deadLetters, clock }),
    hasOperator: resolved.operatorToken !== undefined,
    cron: cron && {
      secret: cron.secret,
      run: cron.run,
      sweep: () => sweep(),
      bounds: {
        maxJobs: cron.maxJobs,
        deadlineMs: cron.deadlineMs,
        concurrency: cron.concurrency,
      },
    },
    authorize,
    issuer: measuredIssuer,
    finalizer: measuredFinalizer,
    legacy:
      resolved.legacyUpload === false
        ? undefined
        : createLegacyUploads({
            ...{ db, blobs, maxFileBytes },
            room: createQuotaRoom({ db, quotas, clock }),
            issuer: measuredIssuer,
            finalizer: measuredFinalizer,
          }),
    legacyRedirect: resolved.legacyRedirect,
    packs:
      packLimits &&
      createPackReceiver({
        ...{ db, blobs, clock, parseManifest },
        finalizer: measuredFinalizer,
        limits: packLimits,
      }),
    multipart: createMultipartUploads({ db, blobs, quotas, clock }),
    reconciler: createReconciler({ db, blobs, view, sweepGraceMs: limits.sweepGraceMs, clock }),
    library: createLibrary({ db, queue, view, changes: hub }),
    search: createSearch({ db, index, view, textQueries }),
    stats,
    hub,
    rateLimiter,
    logger,
    clock,
    readiness,
    telemetry,
    requireOperator,
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
    connectEvents: createConnectEvents({ hub, authorize, allowedOrigins }),
    telemetry,
    requireOperator,
    drain: readiness.drain,
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
      readiness.drain();
      await hub.close();
      // One that was given may be told by workers still; it is its owner's to close.
      if (!resolved.telemetry) telemetry.close();
      await sweeping?.catch(() => {});
      await index.close();
    },
  };
}
