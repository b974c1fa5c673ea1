/** The part of a report of Vitest (`--reporter=json`) that is read. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    /** Absolute path of the file. */
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Tests that failed at first. */
  readonly passedAgain?: readonly string[];
}

export interface Run {
  readonly report: VitestReport | undefined;
  readonly counts: Counts;
}

export declare const MOST_FILES_AGAIN: number;
export declare function countsOf(report: VitestReport | undefined, exitCode: number): Counts;
export declare function filesWithFailures(
  report: VitestReport | undefined,
  root: string,
): readonly string[];
export declare function secondTry(first: Run, again: Run): Counts;
