/**
 * What rate limits and quotas cost: requests a second of each bucket state, and the time to reserve a batch
 * for a user who has nothing, and one who is at every cap. `npm run bench:limits`.
 */
import { createHash, randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { sql } from 'kysely';
import pg from 'pg';
import { findOrStartPostgres, findOrStartRedis } from '../../scripts/services.mjs';
import {
  createMemoryTokenBucket,
  createPostgresTokenBucket,
  type OpenDatabase,
  openEmbeddedDatabase,
  openPostgresDatabase,
  type RateLimiter,
  silentLogger,
} from '../../server/src/index.ts';
import { createRedisTokenBucket } from '../../server/src/redis.ts';
import { reserveUploads } from '../../server/src/uploads/reserve.ts';

const CALLS = 5000;
const AT_ONCE = 50;
const USERS = 100;
const quotas = { maxOpenUploads: 10_000, maxFilesPerDay: 250_000, maxBytesPerDay: 1024 ** 4 };

async function measureCalls(name: string, limiter: RateLimiter): Promise<void> {
  const run = async (calls: number) => {
    let next = 0;
    const lane = async () => {
      while (next < calls) await limiter.consume(`user-${next++ % USERS}`);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  };
  await run(CALLS / 10);
  const startMs = performance.now();
  await run(CALLS);
  const perSecond = (CALLS / (performance.now() - startMs)) * 1000;
  console.log(`${name.padEnd(24)} ${Math.round(perSecond).toLocaleString('en')} calls/s`);
}

const batch = (count: number) =>
  Array.from({ length: count }, () => {
    const clientId = randomUUID();
    const checksum = createHash('sha256').update(clientId).digest('hex');
    const filename = `${clientId}.jpg`;
    const contentType = 'image/jpeg';
    return { clientId, filename, mimeType: contentType, contentType, size: 5_000_000, checksum };
  });

async function measureReserve(name: string, { db }: OpenDatabase): Promise<void> {
  const parts = { db, quotas, clock: Date.now };
  const median = async (userId: string) => {
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const files = batch(500);
      const startMs = performance.now();
      await reserveUploads(parts, userId, files);
      times.push(performance.now() - startMs);
      await db
        .deleteFrom('uploads')
        .where(
          'filename',
          'in',
          files.map((f) => f.filename),
        )
        .execute();
    }
    return times.sort((a, b) => a - b)[4]?.toFixed(1);
  };
  const fresh = await median('fresh');
  for (let i = 0; i < 19; i++) await reserveUploads(parts, 'full', batch(500));
  // A day's files: what became assets is a sum by the hour, however many they were.
  for (let hour = 0; hour < 24; hour++) {
    await sql`insert into upload_usage values
      ('full', ${new Date(Date.now() - hour * 3_600_000)}, 9000, 40000000000)`.execute(db);
  }
  const full = await median('full');
  console.log(
    `${name.padEnd(24)} 500 files: ${fresh} ms; with 9,500 open and 216,000 added: ${full} ms`,
  );
}

const postgres = await findOrStartPostgres();
const redisServer = await findOrStartRedis();
const databaseName = `bulkhead_bench_${randomUUID().slice(0, 8)}`;
const admin = new pg.Client({ connectionString: postgres.url });
await admin.connect();
await admin.query(`create database ${databaseName}`);
const url = new URL(postgres.url);
url.pathname = `/${databaseName}`;
const shared = await openPostgresDatabase({ url: url.href, logger: silentLogger });
const embedded = await openEmbeddedDatabase('memory');
const redis = new Redis(redisServer.url);
const keyPrefix = `${databaseName}:`;
try {
  const options = { capacity: 1_000_000, timeoutMs: 60_000 };
  await measureCalls('memory', createMemoryTokenBucket(options));
  await measureCalls('Redis', createRedisTokenBucket({ redis, keyPrefix, ...options }));
  await measureCalls('PostgreSQL', createPostgresTokenBucket({ database: shared, ...options }));
  await measureCalls('PGlite', createPostgresTokenBucket({ database: embedded, ...options }));
  await measureReserve('PostgreSQL', shared);
  await measureReserve('PGlite', embedded);
} finally {
  await redis.del(await redis.keys(`${keyPrefix}*`));
  await redis.quit();
  await embedded.close();
  await shared.close();
  await admin.query(`drop database ${databaseName} with (force)`);
  await admin.end();
  await postgres.stop();
  await redisServer.stop();
}
