/** One promise of an adapter. */
export interface ConformanceCase {
  /** A sentence. */
  readonly name: string;
  /** Rejects with a `ConformanceError` where the promise is not kept. */
  run(): Promise<void>;
}

/** `describe` and `it` of Vitest, Jest, Mocha or node:test: whatever runs tests by these names. */
export interface TestRunner {
  describe(name: string, define: () => void): unknown;
  it(name: string, run: () => Promise<void>): unknown;
}
