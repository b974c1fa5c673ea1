import type { Stats } from 'bulkhead/protocol';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';

/** A change in this process is seen at once; one in another process after so long. */
const MAX_AGE_MS = 2000;
const MAX_USERS = 10_000;

/** One user's counts. */
export interface StatsReader {
  read(userId: string): Promise<Stats>;
  invalidate(userId: string): void;
}

interface Entry {
  atMs: number;
  stats: Promise<Stats>;
}

/** One aggregate, shared by everyone who asks within two seconds. */
export function createStatsReader(db: Database, clock: Clock): StatsReader {
  const entries = new Map<string, Entry>();

  const query = async (userId: string): Promise<Stats> => {
    const { count } = db.fn;
    const row = await db
      .selectFrom('assets')
      .select([
        count<number>('id').as('total'),
        count<number>('id').filterWhere('processed', '=', true).as('processed'),
        count<number>('id').filterWhere('embedded', '=', true).as('embedded'),
        count<number>('id').filterWhere('failed', '=', true).as('failed'),
      ])
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow();
    return { ...row, uploaded: row.total };
  };

  return {
    read(userId) {
      const nowMs = clock();
      const known = entries.get(userId);
      const ageMs = known ? nowMs - known.atMs : Number.POSITIVE_INFINITY;
      if (known && ageMs >= 0 && ageMs < MAX_AGE_MS) return known.stats;
      const entry: Entry = { atMs: nowMs, stats: query(userId) };
      entries.delete(userId);
      entries.set(userId, entry);
      entry.stats.catch(() => {
        if (entries.get(userId) === entry) entries.delete(userId);
      });
      if (entries.size > MAX_USERS) {
        const [oldest] = entries.keys();
        if (oldest !== undefined) entries.delete(oldest);
      }
      return entry.stats;
    },
    invalidate(userId) {
      entries.delete(userId);
    },
  };
}
