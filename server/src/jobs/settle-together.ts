import { setTimeout as sleep } from 'node:timers/promises';
import { changeAssets } from '../database/change-assets.ts';
import type { Database, Tx } from '../database/schema.ts';
import { type Job, LeaseLostError } from './queue.ts';

/** A job that is done but for its commit. */
export interface Settlement {
  job: Job;
  /** Whose asset changes. */
  userId: string;
}

/** How long the first one waits for others. People are told four times a second, so nobody notices. */
const GATHER_MS = 50;
/** Bounds how long one transaction holds the locks of its users. */
const MAX_TOGETHER = 32;

interface Entry<Item, Result> {
  item: Item;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Settles jobs that end about the same time in one transaction, each exactly once. A transaction costs
 * as much as a small image: several jobs share its locks, its statements and its commit.
 *
 * A job whose lease was lost is left out, and only that one: its call rejects with
 * {@link LeaseLostError}. When the transaction fails, the jobs are settled one by one, so that none can
 * spoil another's result.
 *
 * @param apply writes the results of the jobs whose leases held, and answers in their order
 */
export function createSettler<Item extends Settlement, Result>(
  db: Database,
  apply: (tx: Tx, items: readonly Item[]) => Promise<readonly Result[]>,
): (item: Item) => Promise<Result> {
  const waiting: Entry<Item, Result>[] = [];
  let isRunning = false;

  async function run(): Promise<void> {
    await sleep(GATHER_MS);
    while (waiting.length > 0) {
      const entries = waiting.splice(0, MAX_TOGETHER);
      await settle(entries);
    }
    isRunning = false;
  }

  async function settle(entries: readonly Entry<Item, Result>[]): Promise<void> {
    const live = entries.filter((entry) => {
      const { signal } = entry.item.job;
      if (signal.aborted) entry.reject(signal.reason);
      return !signal.aborted;
    });
    if (live.length === 0) return;
    const lost = new Map<Entry<Item, Result>, LeaseLostError>();
    let held: Entry<Item, Result>[] = [];
    try {
      const users = live.map((entry) => entry.item.userId);
      const results = await changeAssets(db, users, async (tx) => {
        // All asked before any answer is awaited: the queue settles them in one statement.
        const answers = await Promise.allSettled(live.map((entry) => entry.item.job.complete(tx)));
        for (const [i, answer] of answers.entries()) {
          if (answer.status === 'fulfilled') continue;
          if (!(answer.reason instanceof LeaseLostError)) throw answer.reason;
          lost.set(live[i] as Entry<Item, Result>, answer.reason);
        }
        held = live.filter((entry) => !lost.has(entry));
        if (held.length === 0) return [];
        return apply(
          tx,
          held.map((entry) => entry.item),
        );
      });
      for (const [i, entry] of held.entries()) entry.resolve(results[i] as Result);
    } catch (error) {
      const [only, ...others] = live.filter((entry) => !lost.has(entry));
      if (only && others.length === 0) only.reject(error);
      else for (const entry of [only, ...others]) if (entry) await settle([entry]);
    }
    for (const [entry, error] of lost) entry.reject(error);
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (isRunning) return;
      isRunning = true;
      void run();
    });
}
