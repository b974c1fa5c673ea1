import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Logger } from '../logging.ts';

/** How often a worker says that it lives. */
export const WORKER_BEAT_MS = 10_000;
/** A worker that said nothing for so long is dead; its row goes. */
const FORGET_SECONDS = 24 * 3600;

/** Tells the operator's page which processes work here. Nothing depends on it: it may fail. */
export interface WorkerRegistry {
  start(concurrency: { process: number; embed: number }): Promise<void>;
  stop(): Promise<void>;
}

export function createWorkerRegistry(db: Database, logger: Logger): WorkerRegistry {
  const id = randomUUID();
  let timer: NodeJS.Timeout | undefined;
  let beating: Promise<void> | undefined;

  const beat = async (concurrency: { process: number; embed: number }) => {
    try {
      await db
        .insertInto('workers')
        .values({
          id,
          host: hostname(),
          pid: process.pid,
          process_concurrency: concurrency.process,
          embed_concurrency: concurrency.embed,
        })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ seen_at: sql`now()` }))
        .execute();
    } catch (error) {
      logger.warn({ err: error }, '[Jobs] the worker cannot say that it lives');
    }
  };

  return {
    async start(concurrency) {
      if (timer) return;
      timer = setInterval(() => {
        beating = beat(concurrency);
      }, WORKER_BEAT_MS).unref();
      await beat(concurrency);
      await db
        .deleteFrom('workers')
        .where('seen_at', '<', sql<Date>`now() - ${FORGET_SECONDS} * interval '1 second'`)
        .execute();
    },
    async stop() {
      if (!timer) return;
      clearInterval(timer);
      timer = undefined;
      await beating;
      await db
        .deleteFrom('workers')
        .where('id', '=', id)
        .execute()
        .catch((error: unknown) => {
          logger.warn({ err: error }, '[Jobs] the worker cannot say that it ended');
        });
    },
  };
}
