import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileSystemStore, type FileSystemStore } from './blobs/file-system-store.ts';
import { persistentSecret } from './blobs/persistent-secret.ts';
import { type EmbeddedOptions, embeddedOptionsSchema, resolveOptions } from './config.ts';
import { type BulkheadServer, createBulkheadServer } from './create-server.ts';
import { openEmbeddedDatabase } from './database/embedded-database.ts';
import { createLocalVisualEmbedder } from './embeddings/local-visual.ts';
import { createProviderLimiter } from './embeddings/provider-lane.ts';
import { createWebSocketUpgrade } from './events/web-socket.ts';
import { createPgBossQueue } from './jobs/pg-boss-queue.ts';
import { createWorkers, type Workers } from './jobs/workers.ts';
import { createLogger } from './logging.ts';
import { type Listening, type ListenOptions, listen } from './node-server.ts';
import { shutDown } from './shut-down.ts';

const REQUEST_GRACE_MS = 2000;
const JOB_GRACE_MS = 5000;
const VACUUM_INTERVAL_MS = 10 * 60 * 1000;

/** The whole kit in one process and one directory. */
export interface EmbeddedServer extends BulkheadServer {
  /** The object store, to be served on an origin of its own. */
  store: FileSystemStore;
  /**
   * Serves both on node:http. `handler` answers instead of the API's own handler, for a server with
   * pages beside it; it calls `server.fetch` for the rest.
   */
  listen(
    options?: ListenOptions & { handler?: (request: Request) => Promise<Response> },
  ): Promise<Listening>;
  /** Ends streams, connections and workers, then closes the database. */
  close(): Promise<void>;
}

/**
 * Database, object store, job queue and workers under one directory. Call `start()` to begin with
 * the work, and `listen()` (or mount `fetch` and `store.fetch` yourself).
 *
 * What was acknowledged outlives `kill -9`; see {@link openEmbeddedDatabase} for its limits.
 * @throws {OptionsError} naming every option that does not fit.
 * @throws {DirectoryLockedError} when another process uses the directory.
 */
export async function createEmbeddedServer(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const resolved = resolveOptions(embeddedOptionsSchema, options);
  const { dir, logger = createLogger() } = resolved;
  await mkdir(dir, { recursive: true });
  // The database's lock is the directory's: nothing is touched before it is held.
  const database = await openEmbeddedDatabase(join(dir, 'database'));
  try {
    let storeUrl = resolved.storeUrl;
    const store = await createFileSystemStore({
      dir: join(dir, 'blobs'),
      publicUrl: () => {
        if (storeUrl === undefined) {
          throw new Error('The object store has no address: give storeUrl, or call listen() first');
        }
        return storeUrl;
      },
      secret: resolved.secret ?? (await persistentSecret(join(dir, 'secret'))),
      allowedOrigins: resolved.storeAllowedOrigins,
      logger,
      ...(resolved.clock && { clock: resolved.clock }),
    });
    const queue = createPgBossQueue({ database, logger });
    const { embedder = createLocalVisualEmbedder() } = resolved;
    const providerLimiter =
      resolved.providerLimiter ?? (embedder.pace && createProviderLimiter(embedder.pace));
    const embedding = { embedder, ...(providerLimiter && { providerLimiter }) };
    const server = createBulkheadServer({
      database,
      blobStore: store,
      queue,
      logger,
      authorize: resolved.authorize,
      limits: resolved.limits,
      packs: resolved.packs,
      legacyUpload: resolved.legacyUpload,
      legacyRedirect: resolved.legacyRedirect,
      allowedOrigins: resolved.allowedOrigins,
      basePath: resolved.basePath,
      search: resolved.search,
      webhooks: resolved.webhooks,
      ...embedding,
      ...(resolved.clock && { clock: resolved.clock }),
      ...(resolved.operatorToken && { operatorToken: resolved.operatorToken }),
      ...(resolved.cronSecret && {
        cron: { secret: resolved.cronSecret, run: (name, bounds) => workers.slice(name, bounds) },
      }),
      ...(resolved.rateLimiter && { rateLimiter: resolved.rateLimiter }),
      ...(resolved.pressure && { pressure: resolved.pressure }),
      ...(resolved.telemetry && { telemetry: resolved.telemetry }),
    });
    const { processConcurrency, embedConcurrency } = resolved;
    const workers: Workers = createWorkers({
      database,
      queue,
      blobs: store,
      ...embedding,
      changes: server.changes,
      logger,
      telemetry: server.telemetry,
      ...(processConcurrency !== undefined && { processConcurrency }),
      ...(embedConcurrency !== undefined && { embedConcurrency }),
    });

    const upgrade = createWebSocketUpgrade({
      connectEvents: server.connectEvents,
      basePath: resolved.basePath,
      logger,
    });
    const listenings = new Set<Listening>();
    const vacuum = () =>
      database.vacuum().catch((error: unknown) => {
        logger.warn({ err: error }, 'The database could not be vacuumed');
      });
    let vacuuming: NodeJS.Timeout | undefined;
    let starting: Promise<void> | undefined;
    let closing: Promise<void> | undefined;
    return {
      ...server,
      store,
      start() {
        starting ??= (async () => {
          await queue.start();
          await workers.start();
          await server.start();
          vacuuming = setInterval(vacuum, VACUUM_INTERVAL_MS).unref();
        })();
        return starting;
      },
      async listen({ handler = server.fetch, ...where } = {}) {
        const listening = await listen({ api: handler, store: store.fetch, upgrade }, where);
        storeUrl ??= listening.storeUrl;
        listenings.add(listening);
        return listening;
      },
      close() {
        closing ??= (async () => {
          await starting?.catch(() => {});
          clearInterval(vacuuming);
          const hasStarted = starting !== undefined;
          await shutDown(
            { server, listenings, database, workers: hasStarted ? workers : undefined },
            { requestGraceMs: REQUEST_GRACE_MS, jobGraceMs: JOB_GRACE_MS },
          );
        })();
        return closing;
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}
