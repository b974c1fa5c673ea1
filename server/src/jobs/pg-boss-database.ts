import { type Db, fromPglite } from 'pg-boss';
import type { OpenDatabase } from '../database/open-database.ts';

/**
 * What pg-boss runs its queries on, in the database that is open already.
 *
 * @param onJobs there are new jobs in the named queue; on a reconnect, there may be
 */
export function createPgBossDatabase(
  { engine, signals }: Pick<OpenDatabase, 'engine' | 'signals'>,
  onJobs: (queueName: string) => void,
): Db {
  const db: Db =
    engine.kind === 'pglite'
      ? fromPglite(engine.pglite)
      : {
          // Some of its texts are several statements: their results come as an array, which it unwraps.
          executeSql: (text, values) => engine.pool.query(text, values),
        };
  return {
    ...db,
    async listen(channel, onNotification, onReconnect) {
      const close = await signals.listen(
        channel,
        (payload) => {
          onJobs(payload);
          onNotification(payload);
        },
        onReconnect,
      );
      return { close };
    },
  };
}
