import { sql } from 'kysely';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import { run } from './fixtures/databases.ts';
import { describeQueue } from './fixtures/describe-queue.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

describeQueue('createPgBossQueue', {
  create: (database) =>
    createPgBossQueue({ database, logger: recordingLogger(), isSoleWorker: false }),
  capabilities: { hasPriorities: true, delayToleranceMs: 1100 },
  async unfinished(tx) {
    const { rows } = await sql<{ name: string; n: number }>`
      select name, count(*)::int as n from pgboss.job where state <= 'active' group by name
    `.execute(tx);
    return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
  },
  async loseLease({ db }, assetId) {
    // As the monitor does with a lapsed lease: the job is to be delivered again.
    await sql`update pgboss.job set state = 'retry', start_after = now()
      where singleton_key = ${assetId}`.execute(db);
  },
  clear: ({ db }) => run(db, 'delete from pgboss.job'),
});
