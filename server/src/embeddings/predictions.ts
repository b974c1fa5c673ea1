import type { OpenDatabase } from '../database/open-database.ts';

const CHANNEL = 'bulkhead_predictions';
/** What nobody announced by then is forgotten. */
const KEEP_MS = 24 * 60 * 60 * 1000;

/**
 * The predictions that are under way, and who waits for them: a webhook reaches any process, the job may
 * run in another.
 */
export interface Predictions {
  /** Under way from now on. */
  expect(id: string): Promise<void>;
  /** A webhook says that it has ended. False for one that is unknown, or was announced before. */
  announce(id: string): Promise<boolean>;
  /** Until it is announced, or `timeoutMs` have passed. */
  wait(id: string, timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** Kept in the database; announced by its notifications. */
export function createPredictions({
  db,
  signals,
}: Pick<OpenDatabase, 'db' | 'signals'>): Predictions {
  const waiting = new Map<string, Set<() => void>>();
  let listening: Promise<unknown> | undefined;

  const listen = (): Promise<unknown> => {
    listening ??= signals
      .listen(
        CHANNEL,
        (id) => {
          for (const wake of waiting.get(id) ?? []) wake();
        },
        () => {
          // Some may have been missed: everybody looks.
          for (const wakes of waiting.values()) for (const wake of wakes) wake();
        },
      )
      .catch((error: unknown) => {
        listening = undefined;
        throw error;
      });
    return listening;
  };

  return {
    async expect(id) {
      await listen();
      await db
        .deleteFrom('embedding_predictions')
        .where('created_at', '<', new Date(Date.now() - KEEP_MS))
        .execute();
      await db
        .insertInto('embedding_predictions')
        .values({ id })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    async announce(id) {
      const row = await db
        .updateTable('embedding_predictions')
        .set({ state: 'answered' })
        .where('id', '=', id)
        .where('state', '=', 'pending')
        .returning('id')
        .executeTakeFirst();
      if (!row) return false;
      await signals.send(CHANNEL, id);
      return true;
    },
    async wait(id, timeoutMs, signal) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const wakes = waiting.get(id) ?? new Set();
        const end = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', end);
          wakes.delete(end);
          if (wakes.size === 0) waiting.delete(id);
          resolve();
        };
        const timer = setTimeout(end, timeoutMs);
        signal.addEventListener('abort', end);
        waiting.set(id, wakes.add(end));
      });
      signal.throwIfAborted();
    },
  };
}
