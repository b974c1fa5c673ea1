import { sql } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { JobName } from '../jobs/queue.ts';

/** Whoever asks more often gets the answer of a moment ago. */
const MAX_AGE_MS = 5000;

/** What waits for a stage. */
export interface QueueDepth {
  /** Files that wait for the stage, are in it, or wait to be tried again. */
  depth: number;
  /** Since the oldest of them was finalized; null when there is none. */
  oldestSeconds: number | null;
}

/** What waits, by stage. */
export type QueueDepths = Record<JobName, QueueDepth>;

/** Of the whole database, whichever process works on it. */
export interface QueueDepthReader {
  read(): Promise<QueueDepths>;
}

/**
 * Counted from the assets rather than from jobs: the asset is the record of what is still to be done,
 * whatever queue brings it to the workers. An index holds just those.
 */
export function createQueueDepthReader(db: Database, clock: Clock): QueueDepthReader {
  let known: { atMs: number; depths: Promise<QueueDepths> } | undefined;

  const query = async (): Promise<QueueDepths> => {
    const { rows } = await sql<{ processed: boolean; depth: number; oldest: Date }>`
      select processed, count(*)::int as depth, min(created_at) as oldest
      from assets where not embedded and not failed group by processed`.execute(db);
    const depthOf = (processed: boolean): QueueDepth => {
      const row = rows.find((candidate) => candidate.processed === processed);
      if (!row) return { depth: 0, oldestSeconds: null };
      const ageMs = Math.max(0, clock() - row.oldest.getTime());
      return { depth: row.depth, oldestSeconds: Math.round(ageMs / 100) / 10 };
    };
    return { process: depthOf(false), embed: depthOf(true) };
  };

  return {
    read() {
      const nowMs = clock();
      const ageMs = known ? nowMs - known.atMs : Number.POSITIVE_INFINITY;
      if (known && ageMs >= 0 && ageMs < MAX_AGE_MS) return known.depths;
      const asked = { atMs: nowMs, depths: query() };
      known = asked;
      asked.depths.catch(() => {
        if (known === asked) known = undefined;
      });
      return asked.depths;
    },
  };
}
