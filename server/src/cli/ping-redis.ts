import { once } from 'node:events';
import type { Redis } from 'ioredis';

const PATIENCE_MS = 5000;

/** @throws an error that names REDIS_URL, never its value */
export async function pingRedis(redis: Redis): Promise<void> {
  try {
    if (redis.status !== 'ready') {
      await once(redis, 'ready', { signal: AbortSignal.timeout(PATIENCE_MS) });
    }
    await redis.ping();
  } catch (cause) {
    throw new Error(
      `REDIS_URL: ${reasonOf(cause)}; is it running, and are the password and port right?`,
      {
        cause,
      },
    );
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === 'AbortError') return `no answer within ${PATIENCE_MS / 1000} s`;
  // Where a name has several addresses the message is empty.
  return cause.message || (cause as NodeJS.ErrnoException).code || cause.name;
}
