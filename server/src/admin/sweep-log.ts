import { sql } from 'kysely';
import type { Database } from '../database/schema.ts';
import type { Logger } from '../logging.ts';

/**
 * Runs a sweep and keeps when it ran, what it did and whether it failed, for the operator's page. A
 * record that cannot be written is logged; the sweep's own answer stands.
 */
export async function logSweep(
  db: Database,
  logger: Logger,
  name: string,
  sweep: () => Promise<number>,
): Promise<number> {
  const record = async (swept: number, error: string | null) => {
    const row = { swept, error, ran_at: sql<Date>`now()` };
    await db
      .insertInto('sweep_runs')
      .values({ name, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute()
      .catch((failure: unknown) => {
        logger.warn({ err: failure, sweep: name }, 'The sweep could not be recorded');
      });
  };
  try {
    const swept = await sweep();
    await record(swept, null);
    return swept;
  } catch (error) {
    // Its class only: messages may name keys or hosts.
    await record(0, error instanceof Error ? error.name : 'Error');
    throw error;
  }
}
