import { sql } from 'kysely';
import type { OpenDatabase } from '../database/open-database.ts';
import type { Database } from '../database/schema.ts';
import type { Queue } from './queue.ts';

/** After everything that people wait for. */
export const REEMBED_PRIORITY = -10;
const PAGE_ROWS = 1000;
const LOCK = 'bulkhead:re-embed';

/**
 * Enqueues every asset whose vector is of another model than `model`, in pages, at background priority, and
 * answers how many those were. Until its job is done an asset keeps its old vector. Run at the start of
 * workers; whatever ended before its end, the next start goes on. One process at a time does it, so that
 * no asset gets two jobs.
 *
 * Two programs with different models must not work on one database for long: each would undo the other's.
 */
export async function enqueueReembedding(
  { db, engine }: Pick<OpenDatabase, 'db' | 'engine'>,
  queue: Queue,
  model: string,
  signal?: AbortSignal,
): Promise<number> {
  const enqueueAll = async (connection: Database): Promise<number> => {
    let enqueued = 0;
    for (const other of await otherModels(connection, model)) {
      enqueued += await enqueueModel(connection, queue, other, model, signal);
    }
    return enqueued;
  };
  // An embedded database has one process, and one connection, which nobody may keep.
  if (engine.kind === 'pglite') return enqueueAll(db);
  return db.connection().execute(async (connection) => {
    const { rows } = await sql<{ locked: boolean }>`
      select pg_try_advisory_lock(hashtextextended(${LOCK}, 0)) as locked`.execute(connection);
    if (!rows[0]?.locked) return 0;
    try {
      return await enqueueAll(connection);
    } finally {
      await sql`select pg_advisory_unlock(hashtextextended(${LOCK}, 0))`.execute(connection);
    }
  });
}

async function enqueueModel(
  connection: Database,
  queue: Queue,
  other: string,
  model: string,
  signal?: AbortSignal,
): Promise<number> {
  let enqueued = 0;
  let after: string | undefined;
  while (!signal?.aborted) {
    const ids = await page(connection, other, model, after);
    after = ids.at(-1);
    if (after === undefined) break;
    const pending = await queue.pending('embed', ids);
    const jobs = ids.filter((id) => !pending.has(id)).map((assetId) => ({ assetId }));
    if (jobs.length === 0) continue;
    await connection
      .transaction()
      .execute((tx) => queue.enqueue(tx, 'embed', jobs, { priority: REEMBED_PRIORITY }));
    enqueued += jobs.length;
  }
  return enqueued;
}

/** From one model's name to the next in their index: as many steps as there are models. */
async function otherModels(db: Database, model: string): Promise<string[]> {
  const found: string[] = [];
  let last = '';
  for (;;) {
    const row = await db
      .selectFrom('embeddings')
      .select('model')
      .where('model', '>', last)
      .orderBy('model')
      .limit(1)
      .executeTakeFirst();
    if (!row) return found;
    if (row.model !== model) found.push(row.model);
    last = row.model;
  }
}

async function page(
  db: Database,
  other: string,
  model: string,
  after: string | undefined,
): Promise<string[]> {
  const rows = await db
    .selectFrom('embeddings')
    .innerJoin('assets', 'assets.id', 'embeddings.asset_id')
    .select('embeddings.asset_id')
    .where('embeddings.model', '=', other)
    .where((eb) =>
      eb.or([eb('embeddings.refused_by', 'is', null), eb('embeddings.refused_by', '<>', model)]),
    )
    .where('assets.processed', '=', true)
    .where('assets.failed', '=', false)
    .$if(after !== undefined, (query) => query.where('embeddings.asset_id', '>', after ?? ''))
    .orderBy('embeddings.asset_id')
    .limit(PAGE_ROWS)
    .execute();
  return rows.map((row) => row.asset_id);
}
