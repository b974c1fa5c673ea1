/** Lets the holders of one key go one after the other, in the order in which they came. */
export interface Turns {
  /** Waits for the turn of every key; each call names them in the same order. */
  take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>;
}

export function createTurns(): Turns {
  /** Of each key, the end of the last one that waits for it. */
  const tails = new Map<string, Promise<void>>();
  return {
    async take(keys, work) {
      const ends: (() => void)[] = [];
      try {
        for (const key of keys) {
          const before = tails.get(key);
          const { promise: end, resolve } = Promise.withResolvers<void>();
          tails.set(key, end);
          ends.push(() => {
            if (tails.get(key) === end) tails.delete(key);
            resolve();
          });
          await before;
        }
        return await work();
      } finally {
        for (const end of ends) end();
      }
    },
  };
}
