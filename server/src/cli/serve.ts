import { OptionsError } from '../config.ts';
import { createBulkheadServer } from '../create-server.ts';
import { createWebSocketUpgrade } from '../events/web-socket.ts';
import type { Workers } from '../jobs/workers.ts';
import { listen, listenApi } from '../node-server.ts';
import type { Authorize } from '../routes/authorize.ts';
import { shutDown } from '../shut-down.ts';
import { namingPorts } from './naming-ports.ts';
import type { OpenKit } from './open-kit.ts';
import { operatorTokenOf } from './operator-token-of.ts';
import { packsOfSettings } from './settings.ts';
import { workersOf } from './workers-of.ts';

/** A process that runs; `stop` ends it in order. */
export interface Running {
  readonly summary: string;
  stop(): Promise<void>;
}

/**
 * Answers requests; works too when `withWorkers` says so.
 * @throws {OptionsError} without a way to know who is asking
 */
export async function serve(kit: OpenKit, withWorkers: boolean): Promise<Running> {
  const { settings, config, database, store, queue, limits, logger, telemetry } = kit;
  const basePath = config.basePath ?? settings.BULKHEAD_BASE_PATH ?? '';
  const { CRON_SECRET, BULKHEAD_ALLOWED_ORIGINS } = settings;
  const { embedding, limiters } = kit;
  const rateLimiter = config.rateLimiter ?? limiters.rateLimiter;
  const providerLimiter = config.providerLimiter ?? limiters.providerLimiter;
  const operatorToken = operatorTokenOf(kit);
  const server = createBulkheadServer({
    ...{ database, queue, limits, logger, telemetry, basePath },
    authorize: authorizeOf(kit),
    blobStore: store.blobStore,
    allowedOrigins: config.allowedOrigins ?? BULKHEAD_ALLOWED_ORIGINS ?? [],
    legacyUpload: config.legacyUpload ?? settings.BULKHEAD_LEGACY_UPLOAD,
    legacyRedirect: config.legacyRedirect,
    packs: config.packs ?? packsOfSettings(settings),
    search: config.search ?? {},
    embedder: embedding.embedder,
    webhooks: embedding.webhooks,
    ...(config.clock && { clock: config.clock }),
    ...(providerLimiter && { providerLimiter }),
    ...(rateLimiter && { rateLimiter }),
    ...(config.pressure && { pressure: config.pressure }),
    ...(operatorToken !== undefined && { operatorToken }),
    ...(CRON_SECRET !== undefined && {
      cron: { secret: CRON_SECRET, run: (name, bounds) => workers.slice(name, bounds) },
    }),
  });
  const workers: Workers = workersOf(kit, server.changes);
  const upgrade = createWebSocketUpgrade({ connectEvents: server.connectEvents, basePath, logger });
  await queue.start();
  if (withWorkers) await workers.start();
  const { HOST: host, PORT: apiPort, STORE_PORT: storePort } = settings;
  const { served } = store;
  const api = { api: server.fetch, upgrade };
  const where = { host, apiPort, storePort };
  const summary: string[] = [];
  const listening = await namingPorts(
    settings,
    async () => {
      if (!served) return listenApi(api, where);
      const both = await listen({ ...api, store: served.fetch }, where);
      store.setUrl(both.storeUrl);
      summary.push(`files on ${both.storeUrl}`);
      return both;
    },
    () => workers.stop(0),
  );
  if (withWorkers) summary.push('and working');
  await server.start();
  return {
    summary: [`serving on ${listening.apiUrl}`, ...summary].join(', '),
    stop: () =>
      shutDown(
        { server, database, listenings: [listening], workers, closeOthers: kit.closeOthers },
        { drainMs: settings.BULKHEAD_DRAIN_SECONDS * 1000 },
      ),
  };
}

function authorizeOf({ config, settings }: OpenKit): Authorize {
  const { BULKHEAD_USER_HEADER: header } = settings;
  if (config.authorize) return config.authorize;
  if (header !== undefined) return async (request) => request.headers.get(header);
  throw new OptionsError(
    'Nobody knows who is asking: give authorize in bulkhead.config.ts, or name the header that your proxy sets, BULKHEAD_USER_HEADER',
  );
}
