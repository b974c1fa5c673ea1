import { sql } from 'kysely';
import type { BlobStore } from '../blobs/blob-store.ts';
import { originalKey } from '../blobs/keys.ts';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Queue } from '../jobs/queue.ts';
import type { Logger } from '../logging.ts';
import { within } from '../within.ts';

/** What may stand in the way. Names only: whoever asks need not be known. */
export type ReadinessPart = 'database' | 'store' | 'queue' | 'shutdown';

export interface Readiness {
  isReady: boolean;
  /** Empty when it is ready. */
  failed: ReadinessPart[];
}

export interface ReadinessChecker {
  check(): Promise<Readiness>;
  /** From now on it is not ready: no balancer shall send anybody here any more. */
  drain(): void;
}

export interface ReadinessParts {
  db: Database;
  blobs: BlobStore;
  queue: Queue;
  clock: Clock;
  logger: Logger;
  /** Each part has so long to answer. Default 2 s: balancers give up after five or so. */
  timeoutMs?: number;
}

/** Whoever asks more often gets the answer of a moment ago: anybody may ask. */
const MAX_AGE_MS = 1000;
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Can requests be served here, right now? */
export function createReadinessChecker(parts: ReadinessParts): ReadinessChecker {
  const { db, blobs, queue, clock, logger, timeoutMs = 2000 } = parts;
  let isDraining = false;
  let known: { atMs: number; failed: Promise<ReadinessPart[]> } | undefined;

  const checks: Partial<Record<ReadinessPart, () => Promise<unknown>>> = {
    database: () => sql`select 1`.execute(db),
    // There is no such object; that it says so is what is asked for.
    store: async () => {
      await blobs.head(originalKey('readiness', NOBODY, clock()));
      await blobs.checkRoom?.();
    },
    queue: async () => {
      if (queue.isStarted === false) throw new Error('The job queue is not running');
    },
  };

  const ask = async (): Promise<ReadinessPart[]> => {
    const answers = Object.entries(checks).map(async ([name, check]) => {
      try {
        await within(timeoutMs, check());
        return [];
      } catch (error) {
        logger.warn({ err: error, part: name }, `Not ready: ${name}`);
        return [name as ReadinessPart];
      }
    });
    return (await Promise.all(answers)).flat();
  };

  return {
    async check() {
      const nowMs = clock();
      const ageMs = known ? nowMs - known.atMs : Number.POSITIVE_INFINITY;
      if (!known || ageMs < 0 || ageMs >= MAX_AGE_MS) known = { atMs: nowMs, failed: ask() };
      const failed = [...(await known.failed)];
      if (isDraining) failed.push('shutdown');
      return { isReady: failed.length === 0, failed };
    },
    drain() {
      isDraining = true;
    },
  };
}
