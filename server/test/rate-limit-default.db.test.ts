import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenDatabase } from '../src/database/open-database.ts';
import { createDefaultLimiter } from '../src/rate-limit/default-limiter.ts';
import { ENGINE, openTestDatabase } from './fixtures/databases.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';

let database: OpenDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database?.close());

const limits = { rateLimitCapacity: 10, rateLimitPerMinute: 10 };
const create = (pressure: () => number) =>
  createDefaultLimiter({ database, limits, pressure, clock: () => 0, logger: recordingLogger() })
    .rateLimiter;

test('without a limiter of one’s own, processes that may share a database share their limits', async () => {
  const [one, two] = [create(() => 0), create(() => 0)];
  await one.consume('ada', 10);
  const isShared = !(await two.consume('ada')).allowed;
  expect(isShared).toBe(ENGINE === 'postgres');
});

test('without a limiter of one’s own, refills shrink under load', async () => {
  let pressure = 0;
  const limiter = create(() => pressure);
  await limiter.consume('grace', 10);
  expect((await limiter.consume('grace')).retryAfter).toBe(6);
  pressure = 1;
  expect((await limiter.consume('grace')).retryAfter).toBe(60);
});
