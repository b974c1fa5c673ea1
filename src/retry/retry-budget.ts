/** Retries that a lane may make before anything succeeded. */
const INITIAL = 20;
/** Each success pays for a fifth of a retry: in the long run at most one request in six is one. */
const EARNED_PER_SUCCESS = 0.2;
const MOST = 100;

/**
 * Keeps retries a small share of the traffic: a server that fails every second request is not helped by
 * half as many requests again. Whoever finds it empty pauses instead. Pure.
 */
export class RetryBudget {
  #left = INITIAL;

  succeeded(): void {
    this.#left = Math.min(MOST, this.#left + EARNED_PER_SUCCESS);
  }

  /** Takes one retry. @returns whether there was one to take */
  take(): boolean {
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
