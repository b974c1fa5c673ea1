import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** Counts what is sent to a paid provider. */
export interface DailyBudget {
  /** Takes one request of the day (UTC) that `nowMs` is in; false when they are used up. */
  spend(nowMs: number): Promise<boolean>;
}

/** Counted in the database: exact over any number of processes, and kept over restarts. */
export function createDailyBudget(
  db: Database,
  provider: string,
  dailyRequests: number,
): DailyBudget {
  if (!Number.isInteger(dailyRequests) || dailyRequests < 1) {
    throw new RangeError(
      `dailyRequests must be a whole number of at least 1, not ${dailyRequests}`,
    );
  }
  return {
    async spend(nowMs) {
      const day = new Date(nowMs).toISOString().slice(0, 10);
      const taken = await db
        .insertInto('embedding_usage')
        .values({ provider, day, requests: 1 })
        .onConflict((conflict) =>
          conflict
            .columns(['provider', 'day'])
            .doUpdateSet({ requests: sql<number>`embedding_usage.requests + 1` })
            .where('embedding_usage.requests', '<', dailyRequests),
        )
        .returning('requests')
        .executeTakeFirst();
      return taken !== undefined;
    },
  };
}

/** Until the next day of a budget begins. */
export function untilNextDayMs(nowMs: number): number {
  return DAY_MS - (nowMs % DAY_MS);
}
