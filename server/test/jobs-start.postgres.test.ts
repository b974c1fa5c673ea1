import { expect, it } from 'vitest';
import { openPostgresDatabase } from '../src/database/postgres-database.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import { silentLogger } from '../src/logging.ts';
import { createPostgresDatabase } from './fixtures/databases.ts';

it('processes that start at once on an empty database all start', async () => {
  const { url, drop } = await createPostgresDatabase();
  const databases = await Promise.all(
    Array.from({ length: 4 }, () => openPostgresDatabase({ url, logger: silentLogger })),
  );
  const queues = databases.map((database) => createPgBossQueue({ database, logger: silentLogger }));
  try {
    await Promise.all(queues.map((queue) => queue.start()));
    for (const queue of queues) expect(queue.isStarted).toBe(true);
  } finally {
    await Promise.all(queues.map((queue) => queue.stop(0)));
    await Promise.all(databases.map((database) => database.close()));
    await drop();
  }
});
