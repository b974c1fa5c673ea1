import { afterEach, expect, it, vi } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import { createWorkerApp } from '../src/routes/worker-app.ts';
import { createServerTelemetry } from '../src/telemetry/server-telemetry.ts';
import { openTestDatabase } from './fixtures/databases.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

let database: OpenDatabase | undefined;
afterEach(() => database?.close());

it('a worker’s readiness is asked for anew a second later by its clock, whatever the time of day', async () => {
  database = await openTestDatabase();
  const logger = recordingLogger();
  const blobStore = memoryBlobStore();
  const asked = vi.spyOn(blobStore, 'head');
  let nowMs = Date.UTC(2030, 0, 1);
  const clock = () => nowMs;
  const telemetry = createServerTelemetry({ database, logger, clock });
  const queue = createPgBossQueue({ database, logger });
  await queue.start();
  const app = createWorkerApp({ database, blobStore, queue, telemetry, logger, clock });
  const ready = async () => (await app.fetch(new Request('http://127.0.0.1/readyz'))).status;
  try {
    expect([await ready(), await ready()]).toEqual([200, 200]);
    expect(asked).toHaveBeenCalledTimes(1);
    nowMs += 999;
    await ready();
    expect(asked).toHaveBeenCalledTimes(1);
    nowMs += 1;
    await ready();
    expect(asked).toHaveBeenCalledTimes(2);
    expect(asked.mock.lastCall?.[0]).toContain('/2030/');
    app.drain();
    expect(await ready()).toBe(503);
  } finally {
    telemetry.close();
    await queue.stop(0);
  }
}, 60_000);
