import { Hono } from 'hono';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import { createReadinessChecker } from '../health/readiness.ts';
import type { Queue } from '../jobs/queue.ts';
import type { Logger } from '../logging.ts';
import { ProblemError, problemResponse } from '../problem-error.ts';
import type { ServerTelemetry } from '../telemetry/server-telemetry.ts';
import { mountHealth } from './health.ts';
import { createRequireOperator } from './operator.ts';
import { mountTelemetry } from './telemetry.ts';

export interface WorkerAppParts {
  database: OpenDatabase;
  blobStore: BlobStore;
  queue: Queue;
  telemetry: ServerTelemetry;
  logger: Logger;
  clock: Clock;
  operatorToken?: string | undefined;
}

/** What a process that only works answers: `/healthz`, `/readyz`, `/metrics`, `/api/telemetry`. */
export function createWorkerApp(parts: WorkerAppParts): {
  fetch(request: Request): Promise<Response>;
  drain(): void;
} {
  const { database, blobStore: blobs, queue, telemetry, logger, clock, operatorToken } = parts;
  const app = new Hono();
  const path = (route: string) => route;
  const { db } = database;
  const readiness = createReadinessChecker({ db, blobs, queue, clock, logger });
  const requireOperator = createRequireOperator({ operatorToken, allowedOrigins: [] });
  mountHealth(app, { path, readiness });
  mountTelemetry(app, { path, requireOperator, telemetry });
  app.notFound(() => problemResponse({ code: 'not_found', detail: 'There is no such route' }));
  app.onError((error) => {
    if (!(error instanceof ProblemError)) {
      logger.error({ err: error }, 'A request failed');
      return problemResponse({ code: 'internal' });
    }
    return problemResponse({ code: error.code, detail: error.message }, error.headers);
  });
  return { fetch: async (request) => app.fetch(request), drain: readiness.drain };
}
