import type { SessionLocks } from '../../src/storage/session-locks.ts';

/** One page's locks, for tests that open several pages in one process. */
export interface MemoryTab {
  readonly locks: SessionLocks;
  /** The page is gone: what it held is free, what it waited for is not waited for. */
  die(): void;
}

interface Waiter {
  readonly tab: MemoryTab;
  readonly grant: () => void;
}

/** The locks of one origin, as a browser has them, without time. */
export class MemoryLockRoom {
  readonly #holders = new Map<string, MemoryTab>();
  readonly #waiting = new Map<string, Waiter[]>();

  openTab(): MemoryTab {
    const tab: MemoryTab = {
      locks: {
        hold: async (sessionId) => {
          if (this.#holders.has(sessionId)) return null;
          this.#holders.set(sessionId, tab);
          return () => this.#release(sessionId, tab);
        },
        whenFree: (sessionId, signal) => this.#whenFree(sessionId, signal, tab),
        held: async () => new Set(this.#holders.keys()),
      },
      die: () => {
        for (const [sessionId, waiting] of this.#waiting) {
          const others = waiting.filter((waiter) => waiter.tab !== tab);
          this.#waiting.set(sessionId, others);
        }
        for (const sessionId of [...this.#holders.keys()]) this.#release(sessionId, tab);
      },
    };
    return tab;
  }

  async #whenFree(sessionId: string, signal: AbortSignal, tab: MemoryTab): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#holders.has(sessionId)) {
      await new Promise<void>((resolve, reject) => {
        const waiting = this.#waiting.get(sessionId) ?? [];
        const waiter: Waiter = { tab, grant: resolve };
        this.#waiting.set(sessionId, [...waiting, waiter]);
        signal.addEventListener('abort', () => {
          const left = this.#waiting.get(sessionId)?.filter((other) => other !== waiter) ?? [];
          this.#waiting.set(sessionId, left);
          reject(signal.reason);
        });
      });
    } else {
      this.#holders.set(sessionId, tab);
    }
    let isHeld = true;
    return () => {
      if (isHeld) this.#release(sessionId, tab);
      isHeld = false;
    };
  }

  /** Gives it to the first who waits. */
  #release(sessionId: string, tab: MemoryTab): void {
    if (this.#holders.get(sessionId) !== tab) return;
    this.#holders.delete(sessionId);
    const next = this.#waiting.get(sessionId)?.shift();
    if (next === undefined) return;
    this.#holders.set(sessionId, next.tab);
    next.grant();
  }
}
