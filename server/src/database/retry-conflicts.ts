import { setTimeout as sleep } from 'node:timers/promises';
import { isConflict } from './database-failure.ts';

const ATTEMPTS = 4;
const FIRST_DELAY_MS = 10;

export interface RetryConflictsOptions {
  /** Default `Math.random`. */
  random?: () => number;
}

/**
 * Runs `work` again when the database undid it because of another transaction (serialization failure,
 * deadlock): four times in all, after 0 to 10, 20, 40 ms. `work` is one whole transaction, or one
 * statement outside of any.
 */
export async function retryConflicts<T>(
  work: () => Promise<T>,
  { random = Math.random }: RetryConflictsOptions = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isConflict(error)) throw error;
      await sleep(random() * FIRST_DELAY_MS * 2 ** (attempt - 1));
    }
  }
}
