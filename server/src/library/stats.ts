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

/** One row that triggers keep, read once for everyone who asks within two seconds. */
export function createStatsReader(db: Database, clock: Clock): StatsReader {
  const entries = new Map<string, Entry>();

  const query = async (userId: string): Promise<Stats> => {
    const row = await db
      .selectFrom('asset_counts')
      .select(['total', 'processed', 'embedded', 'failed'])
      .where('user_id', '=', userId)
      .executeTakeFirst();
    const { total = 0, processed = 0, embedded = 0, failed = 0 } = row ?? {};
    return { total, uploaded: total, processed, embedded, failed };
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
