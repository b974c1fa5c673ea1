import { Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import type { Database, Schema } from '../src/database/schema.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import type { Queue } from '../src/jobs/queue.ts';
import { recoverStranded } from '../src/jobs/recover.ts';
import { createAssetView } from '../src/library/asset-view.ts';
import { createLibrary, type Library } from '../src/library/library.ts';
import { findByWords } from '../src/library/user-words.ts';
import { silentLogger } from '../src/logging.ts';
import { openTestDatabase, run } from './fixtures/databases.ts';
import { memoryBlobStore } from './fixtures/memory-blob-store.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const ASSETS = 20_000;

let database: OpenDatabase;
let queue: Queue;
let library: Library;
/** The database, remembering what it was asked. */
let db: Database;
let asked: { sql: string; parameters: readonly unknown[] }[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  const { engine } = database;
  db = new Kysely<Schema>({
    dialect:
      engine.kind === 'pglite'
        ? new PGliteDialect({ pglite: engine.pglite })
        : new PostgresDialect({ pool: engine.pool }),
    log: ({ query }) => {
      asked.push(query);
    },
  });
  queue = createPgBossQueue({ database, logger: silentLogger });
  await queue.start();
  library = createLibrary({
    ...{ db, queue },
    view: createAssetView({
      ...memoryBlobStore(),
      signGet: async ({ key }) => `http://127.0.0.1/${key}`,
    }),
    changes: { changed: () => {} },
  });
  // Most of it searchable, and what is looked for among the oldest; others have the same words.
  await sql`insert into assets (id, user_id, key, filename, mime_type, size, checksum, search_words,
      processed, embedded, failed, created_at)
    select gen_random_uuid(), case when n % 4 = 0 then 'ada' else 'other-' || n % 50 end, 'k', 'a.jpg',
      'image/jpeg', 1, n::text, 'img ' || n || case when n = 400 then ' heron' else '' end,
      n > 1000, n > 2000, n <= 500, timestamptz '2026-01-01' + n * interval '1 s'
    from generate_series(1, ${ASSETS}::int) n`.execute(database.db);
  await run(database.db, 'vacuum (analyze) assets');
});
afterAll(async () => {
  await queue.stop(0);
  await database.close();
});

/** How the database does what the call asks it, the last query of it. */
async function planOf(call: () => Promise<unknown>): Promise<string> {
  asked = [];
  await call();
  const query = asked.findLast(({ sql: text }) => text.includes('assets'));
  if (!query) throw new Error('Nothing was asked');
  const parts = query.sql.split(/\$\d+/);
  const { rows } = await sql<{ 'QUERY PLAN': string }>`explain ${sql.join(
    parts.flatMap((part, at) =>
      at === 0 ? [sql.raw(part)] : [sql`${query.parameters[at - 1]}`, sql.raw(part)],
    ),
    sql``,
  )}`.execute(database.db);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

it('pages of a stage are read from its own part of an index', async () => {
  for (const stage of ['processing', 'embedding', 'searchable', 'failed'] as const) {
    const page = await library.page('ada', { limit: 10, stage });
    expect(page.assets).toHaveLength(10);
    expect(page.assets.every((asset) => asset.stage === stage)).toBe(true);
    const plan = await planOf(() =>
      library.page('ada', { limit: 10, stage, cursor: page.nextCursor ?? undefined }),
    );
    expect(plan).toMatch(/Scan (?:using|on) assets_stage/);
    expect(plan).not.toContain('Seq Scan');
  }
});

it('a word is looked up in its index, among the own assets alone', async () => {
  const results = await findByWords(db, 'ada', 'heron', 10);
  expect(results).toHaveLength(1);
  expect(await findByWords(db, 'other-0', 'heron', 10)).toEqual([]);
  const plan = await planOf(() => findByWords(db, 'ada', 'heron', 10));
  expect(plan).toContain('Bitmap Index Scan on assets_words');
});

it('what waits for a stage is found without reading what is done', async () => {
  const plan = await planOf(() => recoverStranded(db, queue));
  expect(plan).toContain('assets_waiting');
  expect(plan).not.toContain('Seq Scan');
});
