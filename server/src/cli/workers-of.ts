import type { ChangeFeed } from '../events/change-feed.ts';
import { createWorkers, type Workers } from '../jobs/workers.ts';
import type { OpenKit } from './open-kit.ts';

/** @param changes told after every commit */
export function workersOf(kit: OpenKit, changes: ChangeFeed): Workers {
  const { settings, config, database, queue, store, embedding, limiters } = kit;
  const { logger, telemetry } = kit;
  const providerLimiter = config.providerLimiter ?? limiters.providerLimiter;
  const { BULKHEAD_PROCESS_CONCURRENCY: process, BULKHEAD_EMBED_CONCURRENCY: embed } = settings;
  return createWorkers({
    ...{ database, queue, changes, logger, telemetry },
    blobs: store.blobStore,
    embedder: embedding.embedder,
    ...(config.clock && { clock: config.clock }),
    ...(providerLimiter && { providerLimiter }),
    ...(process !== undefined && { processConcurrency: process }),
    ...(embed !== undefined && { embedConcurrency: embed }),
  });
}
