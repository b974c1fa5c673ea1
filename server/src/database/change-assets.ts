import { sql } from 'kysely';
import { retryConflicts } from './retry-conflicts.ts';
import type { Database, Tx } from './schema.ts';

/**
 * A transaction that changes assets of these users. One user's such transactions run one after the
 * other, on all processes: so their new versions become visible in their order, and an event stream that
 * has seen a version has seen all before it. The locks are the first thing that is taken, in one order
 * everywhere, so nobody can wait for one another; they end with the transaction.
 *
 * When the database undoes it because of another transaction, `work` runs again from its beginning.
 */
export function changeAssets<T>(
  db: Database,
  userIds: Iterable<string>,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const keys = [...new Set(userIds)].sort();
  const run = () =>
    db.transaction().execute(async (tx) => {
      // `order by` in a subquery of its own: a lock must not be taken before the rows are sorted.
      await sql`select pg_advisory_xact_lock(key) from (
      select distinct hashtextextended('bulkhead:' || id, 0) as key
      from unnest(${keys}::text[]) as id order by key
    ) as ordered`.execute(tx);
      return work(tx);
    });
  return retryConflicts(run);
}

/** What every insert and update of an asset sets: the next version, and when. */
export const changed = () => ({
  version: sql<number>`nextval('asset_version')`,
  updated_at: sql<Date>`now()`,
});
