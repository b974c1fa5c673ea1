import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createPostgresTokenBucket } from '../src/rate-limit/postgres-token-bucket.ts';
import { openTestDatabase } from './fixtures/databases.ts';
import { describeTokenBucket } from './fixtures/describe-token-bucket.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

// A busy machine may take its time: what is tested here is the count, not the timeout.
const timeoutMs = 30_000;

describeTokenBucket('in the database', true, async () => {
  const database = await openTestDatabase();
  return {
    create: (options) => createPostgresTokenBucket({ database, timeoutMs, ...options }),
    close: () => database.close(),
  };
});

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.close());

test('a sweep forgets buckets that were idle for an hour, and no others', async () => {
  let nowMs = 1_000_000;
  const bucket = createPostgresTokenBucket({ database, timeoutMs, clock: () => nowMs });
  await bucket.consume('ada', 100);
  nowMs += 59 * 60_000;
  await bucket.consume('grace');
  nowMs += 60_001;
  await bucket.sweep();
  const rows = await database.db
    .withTables<{ rate_limit_buckets: { user_id: string } }>()
    .selectFrom('rate_limit_buckets')
    .select('user_id')
    .execute();
  expect(rows).toEqual([{ user_id: 'grace' }]);
});

test('a sweep by the database’s own time forgets nothing that was used just now', async () => {
  const bucket = createPostgresTokenBucket({ database, timeoutMs, refillPerMinute: 0.01 });
  await bucket.consume('margaret', 100);
  await bucket.sweep();
  expect((await bucket.consume('margaret')).allowed).toBe(false);
});

test('a database that fails is said once, and the process limits by itself', async () => {
  const failing = await openTestDatabase();
  await failing.close();
  const logger = recordingLogger();
  const bucket = createPostgresTokenBucket({ database: failing, timeoutMs, logger });
  const results = [];
  for (let i = 0; i < 101; i++) results.push(await bucket.consume('ada'));
  expect(results.filter(({ allowed }) => allowed)).toHaveLength(100);
  const errors = logger.lines.filter(({ level }) => level === 'error');
  expect(errors.map(({ message }) => message)).toEqual([
    '[RateLimit] The database cannot be asked; each process limits by itself',
  ]);
});
