import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';

/** Longer than any page takes; renewed with each. */
const LEASE_SECONDS = 15 * 60;
/** Stores keep the place in a list for a day at least. */
const CURSOR_SECONDS = 24 * 60 * 60;

/** Where a walk through the store's objects stands; it outlives the process. */
export interface SweepPlace {
  /** What the store's `list` takes. Null at the beginning. */
  cursor: string | null;
  /** Keys up to this one are done. */
  doneKey: string;
}

export interface SweepLease {
  place: SweepPlace;
  /** Remembers the place. @returns false when the lease was lost: then another process goes on from it. */
  save(place: SweepPlace): Promise<boolean>;
  release(): Promise<void>;
}

/** The right to walk, for one process at a time, by the database's clock. Undefined while another has it. */
export async function takeSweepLease(db: Database, name: string): Promise<SweepLease | undefined> {
  const holder = randomUUID();
  const { rows } = await sql<{ cursor: string | null; done_key: string }>`
    insert into sweeps (name, holder, leased_until)
    values (${name}, ${holder}, now() + make_interval(secs => ${LEASE_SECONDS}))
    on conflict (name) do update set
      holder = excluded.holder,
      leased_until = excluded.leased_until,
      cursor = case when sweeps.saved_at > now() - make_interval(secs => ${CURSOR_SECONDS})
        then sweeps.cursor end,
      done_key = case when sweeps.saved_at > now() - make_interval(secs => ${CURSOR_SECONDS})
        then sweeps.done_key else '' end
    where sweeps.leased_until < now()
    returning cursor, done_key`.execute(db);
  const [row] = rows;
  if (!row) return undefined;
  return {
    place: { cursor: row.cursor, doneKey: row.done_key },
    async save({ cursor, doneKey }) {
      const saved = await db
        .updateTable('sweeps')
        .set({
          cursor,
          done_key: doneKey,
          saved_at: sql<Date>`now()`,
          leased_until: sql<Date>`now() + make_interval(secs => ${LEASE_SECONDS})`,
        })
        .where('name', '=', name)
        .where('holder', '=', holder)
        .executeTakeFirst();
      return saved.numUpdatedRows > 0n;
    },
    async release() {
      await db
        .updateTable('sweeps')
        .set({ leased_until: sql<Date>`'-infinity'::timestamptz` })
        .where('name', '=', name)
        .where('holder', '=', holder)
        .execute();
    },
  };
}
