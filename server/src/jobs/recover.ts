import type { Database } from '../database/schema.ts';
import type { JobName, Queue } from './queue.ts';

const PAGE_ROWS = 1000;

/**
 * Enqueues every asset that waits for a stage but has no job for it, and answers how many those
 * were. Asset and job commit together, so there are none unless job rows were lost (a restored
 * backup, a cleared queue): a safety net, run at start. A job too many is harmless.
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
    const stranded = ids.filter((id) => !pending.has(id)).map((assetId) => ({ assetId }));
    if (stranded.length === 0) continue;
    await db.transaction().execute((tx) => queue.enqueue(tx, name, stranded));
    recovered += stranded.length;
  }
}

/** Ids of assets whose next stage is the named one, in pages by id. */
async function waitingPage(db: Database, name: JobName, after?: string): Promise<string[]> {
  const rows = await db
    .selectFrom('assets')
    .select('id')
    .where('processed', '=', name === 'embed')
    .where('embedded', '=', false)
    .where('failed', '=', false)
    .$if(after !== undefined, (query) => query.where('id', '>', after ?? ''))
    .orderBy('id')
    .limit(PAGE_ROWS)
    .execute();
  return rows.map((row) => row.id);
}
