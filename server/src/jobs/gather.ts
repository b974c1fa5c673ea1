/**
 * Calls made in one turn of the event loop become one: jobs that start or end together share a statement.
 *
 * @param run answers for the keys, in their order
 */
export function gather<Key, Value>(
  run: (keys: readonly Key[]) => Promise<readonly Value[]>,
): (key: Key) => Promise<Value> {
  let calls: { key: Key; resolve(value: Value): void; reject(error: unknown): void }[] = [];

  async function flush(): Promise<void> {
    const gathered = calls;
    calls = [];
    try {
      const values = await run(gathered.map((call) => call.key));
      for (const [i, call] of gathered.entries()) call.resolve(values[i] as Value);
    } catch (error) {
      for (const call of gathered) call.reject(error);
    }
  }

  return (key) =>
    new Promise((resolve, reject) => {
      // After the promise jobs that are due, among which the other calls are.
      if (calls.length === 0) process.nextTick(() => void flush());
      calls.push({ key, resolve, reject });
    });
}
