import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { recoverStranded } from '../src/jobs/recover.ts';
import { silentLogger } from '../src/logging.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let database: OpenDatabase;
let queue: Queue;
beforeAll(async () => {
  database = await openTestDatabase();
  queue = createPgBossQueue({ database, logger: silentLogger });
  await queue.start();
});
afterAll(async () => {
  await queue.stop(0);
  await database.close();
});

async function fill(count: number): Promise<void> {
  await run(database.db, 'truncate assets cascade', 'delete from pgboss.job');
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
      processed, embedded, failed)
    select gen_random_uuid(), 'ada', 'k', 'a.jpg', 'image/jpeg', 1, n::text, '', n % 4 > 0, n % 4 > 1, n % 4 = 3
    from generate_series(1, ${count}::int) n`.execute(database.db);
}

const jobs = async () => {
  const { rows } = await sql<{ name: string; jobs: number; assets: number }>`
    select name, count(*)::int as jobs, count(distinct singleton_key)::int as assets
    from pgboss.job where state <= 'active' group by name order by name`.execute(database.db);
  return rows;
};

it('68: runs that overlap enqueue each asset without a job once, together', async () => {
  // More than a page of each stage.
  await fill(24_000);
  const counts = await Promise.all(
    Array.from({ length: 3 }, () => recoverStranded(database.db, queue)),
  );
  expect(counts.reduce((sum, count) => sum + count)).toBe(12_000);
  expect(await jobs()).toEqual([
    { name: 'embed', jobs: 6000, assets: 6000 },
    { name: 'process', jobs: 6000, assets: 6000 },
  ]);
  expect(await recoverStranded(database.db, queue)).toBe(0);
});

it('leaves alone what has a job waiting, delayed or running', async () => {
  await fill(8);
  const { rows } = await sql<{ id: string }>`select id from assets where not processed`.execute(
    database.db,
  );
  const ids = rows.map(({ id }) => id);
  await database.db.transaction().execute(async (tx) => {
    const [first = '', second = ''] = ids;
    await queue.enqueue(tx, 'process', [{ assetId: first }], { startAfterSeconds: 60 });
    await queue.enqueue(tx, 'process', [{ assetId: second }]);
  });
  await sql`update pgboss.job set state = 'active' where singleton_key = ${ids[1]}`.execute(
    database.db,
  );
  expect(await queue.pending('process', [...ids, randomUUID()])).toEqual(new Set(ids));
  // Of eight, two wait for processing and two for an embedding.
  expect(await recoverStranded(database.db, queue)).toBe(2);
  expect(await queue.depth('process')).toBe(2);
});
