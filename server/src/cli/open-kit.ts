import { join } from 'node:path';
import type * as z from 'zod';
import type { Config, limitsSchema } from '../config.ts';
import { openEmbeddedDatabase } from '../database/embedded-database.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import { openPostgresDatabase } from '../database/postgres-database.ts';
import { createPgBossQueue } from '../jobs/pg-boss-queue.ts';
import type { Queue } from '../jobs/queue.ts';
import { createLogger, type Logger } from '../logging.ts';
import { createServerTelemetry, type ServerTelemetry } from '../telemetry/server-telemetry.ts';
import { type OpenEmbedder, openEmbedder } from './open-embedder.ts';
import { type OpenLimiters, openLimiters } from './open-limiters.ts';
import { type OpenStore, openStore } from './open-store.ts';
import type { DatabaseSettings, Settings } from './settings.ts';

export type Limits = z.output<typeof limitsSchema>;

/** What a process of `bulkhead-server` has open, whatever it does. */
export interface OpenKit {
  readonly settings: Settings;
  readonly config: Config;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly database: OpenDatabase;
  readonly store: OpenStore;
  readonly queue: Queue;
  readonly embedding: OpenEmbedder;
  readonly limiters: OpenLimiters;
  readonly telemetry: ServerTelemetry;
  /** All but the database. */
  closeOthers(): Promise<void>;
}

/** @throws whatever is wrong with a part, by its own message; what was open by then is closed */
export async function openKit(
  settings: Settings,
  config: Config,
  limits: Limits,
): Promise<OpenKit> {
  const { clock, logger = createLogger(settings.LOG_LEVEL) } = config;
  const database = await openDatabase(settings, logger);
  try {
    const store = config.blobStore
      ? { blobStore: config.blobStore, served: undefined, setUrl() {} }
      : await openStore(settings, logger, clock);
    const { embedder, webhooks } = config.embedder
      ? { embedder: config.embedder, webhooks: {} }
      : await openEmbedder(settings, database);
    // Of the same name, the file's goes before the environment's.
    const embedding = { embedder, webhooks: { ...webhooks, ...config.webhooks } };
    const limiters = await openLimiters({
      ...{ database, embedder, limits, logger, clock },
      redisUrl: settings.REDIS_URL,
      pressure: config.pressure,
    });
    const telemetry = config.telemetry ?? createServerTelemetry({ database, logger, clock });
    return {
      ...{ settings, config, logger, limits, database, store, embedding, limiters, telemetry },
      queue: createPgBossQueue({ database, logger }),
      async closeOthers() {
        if (!config.telemetry) telemetry.close();
        await limiters.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

export function openDatabase(settings: DatabaseSettings, logger: Logger): Promise<OpenDatabase> {
  const { DATABASE_URL, DATABASE_POOL_SIZE, dir } = settings;
  if (DATABASE_URL === undefined) return openEmbeddedDatabase(join(dir, 'database'));
  return openPostgresDatabase({
    url: DATABASE_URL,
    logger,
    ...(DATABASE_POOL_SIZE !== undefined && { maxConnections: DATABASE_POOL_SIZE }),
  });
}
