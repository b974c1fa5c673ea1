import { sql } from 'kysely';
import { retryConflicts } from './retry-conflicts.ts';
import type { Database, Tx } from './schema.ts';
import { createTurns, type Turns } from './turns.ts';

/**
 * A transaction that changes assets of these users. One user's such transactions run one after the
 * other, on all processes: so their new versions become visible in their order, and an event stream that
 * has seen a version has seen all before it. The locks are the first thing that is taken, in one order
 * everywhere, so nobody can wait for one another; they end with the transaction.
 *
 * Where the database rolls it back all the same, for a deadlock or a serialization failure, `work` is
 * called again, four times in all at most: it must keep nothing of a call that failed.
 */
export async function changeAssets<T>(
  db: Database,
  userIds: Iterable<string>,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const keys = [...new Set(userIds)].sort();
  return retryConflicts(() => turnsOf(db).take(keys, () => inOrder(db, keys, work)));
}

const turns = new WeakMap<Database, Turns>();

/**
 * In one process they wait before they take a connection: else the uploads of one user would take them
 * all, to wait for one another, and nobody else had any.
 */
function turnsOf(db: Database): Turns {
  const known = turns.get(db) ?? createTurns();
  turns.set(db, known);
  return known;
}

function inOrder<T>(db: Database, keys: string[], work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (tx) => {
    // `order by` in a subquery of its own: a lock must not be taken before the rows are sorted.
    await sql`select pg_advisory_xact_lock(key) from (
      select distinct hashtextextended('bulkhead:' || id, 0) as key
      from unnest(${keys}::text[]) as id order by key
    ) as ordered`.execute(tx);
    return work(tx);
  });
}

/** What forgets that an asset failed, and how often it was tried. */
export const unfailed = () => ({
  failed: false,
  processing_error: null,
  processing_retry_count: 0,
  embedding_error: null,
  embedding_retry_count: 0,
  embedding_next_retry: null,
  ...changed(),
});

/** What every insert and update of an asset sets: the next version, and when. */
export const changed = () => ({
  version: sql<number>`nextval('asset_version')`,
  updated_at: sql<Date>`now()`,
});
