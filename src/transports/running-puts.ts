/** The PUTs under way, for whoever must wait until one has ended before it cleans up. */
export class RunningPuts {
  readonly #running = new Map<string, Promise<void>>();

  /** @returns the same promise */
  track<T>(key: string, put: Promise<T>): Promise<T> {
    const done = () => {
      if (this.#running.get(key) === ended) this.#running.delete(key);
    };
    const ended: Promise<void> = put.then(done, done);
    this.#running.set(key, ended);
    return put;
  }

  /** Resolves when it ended, whatever came of it, or at once. */
  async ended(key: string): Promise<void> {
    await this.#running.get(key);
  }
}
