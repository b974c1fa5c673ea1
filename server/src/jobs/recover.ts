import { sql } from 'kysely';
import type { Database, Tx } from '../database/schema.ts';
import type { JobName, Queue } from './queue.ts';

const PAGE_ROWS = 5000;

/**
 * Enqueues every asset that waits for a stage but has no job for it, and answers how many those
 * were. Asset and job commit together, so there are none unless job rows were lost (a restored
 * backup, a cleared queue): a safety net, run at start. Runs may overlap, in one process or many:
 * together they enqueue each asset once.
 */
export async function recoverStranded(db: Database, queue: Queue): Promise<number> {
  return (await recoverStage(db, queue, 'process')) + (await recoverStage(db, queue, 'embed'));
}

async function recoverStage(db: Database, queue: Queue, name: JobName): Promise<number> {
  let recovered = 0;
  let after: string | undefined;
  for (;;) {
    const ids = await waitingPage(db, name, after);
    after = ids.at(-1);
    if (after === undefined) return recovered;
    const pending = await queue.pending(name, ids);
    const stranded = ids.filter((id) => !pending.has(id));
    if (stranded.length > 0) recovered += await enqueueStranded(db, queue, name, stranded);
  }
}

/** Looks again, one run at a time: another one may have seen the same assets. */
function enqueueStranded(
  db: Database,
  queue: Queue,
  name: JobName,
  ids: readonly string[],
): Promise<number> {
  return db.transaction().execute(async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('bulkhead:recover', 0))`.execute(tx);
    const waiting = await stillWaiting(tx, name, ids);
    // After the assets: what finished in between has no job any more, and does not wait either.
    const pending = await queue.pending(name, ids, tx);
    const jobs = waiting.filter((id) => !pending.has(id)).map((assetId) => ({ assetId }));
    await queue.enqueue(tx, name, jobs);
    return jobs.length;
  });
}

/** Ids of assets whose next stage is the named one, in pages by id. */
async function waitingPage(db: Database, name: JobName, after?: string): Promise<string[]> {
  const rows = await waitingFor(db, name)
    .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
    .orderBy('id')
    .limit(PAGE_ROWS)
    .execute();
  return rows.map((row) => row.id);
}

async function stillWaiting(tx: Tx, name: JobName, ids: readonly string[]): Promise<string[]> {
  const rows = await waitingFor(tx, name)
    .where('id', '=', sql<string>`any(${ids}::uuid[])`)
    .execute();
  return rows.map((row) => row.id);
}

/** Spelt out as the index `assets_waiting` has it. */
const waitingFor = (db: Database, name: JobName) =>
  db
    .selectFrom('assets')
    .select('id')
    .where('processed', '=', name === 'embed')
    .where(sql<boolean>`not embedded and not failed`);
