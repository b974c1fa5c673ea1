export interface Budget {
  readonly what: string;
  readonly budgetKiB: number;
  /** What it is meant to become. */
  readonly goalKiB?: number;
}

export interface Bundle {
  /** Gzipped: what a page waits for. */
  readonly eagerKiB: number;
  /** Gzipped, by the module that is loaded when it is needed. */
  readonly lazyKiB: Readonly<Record<string, number>>;
  /** Minified KB of what a page waits for, by package or folder. */
  readonly parts: Readonly<Record<string, number>>;
}

export declare const BUDGETS: readonly Budget[];
/** Measures every line of the budgets, in their order. */
export declare function measure(): Promise<{
  sizes: (Budget & { readonly kiB: number })[];
  core: Bundle;
}>;
/** The budgets as README.md quotes them. */
export declare function budgetTable(): string;
/** What README.md quotes; undefined without the marks. */
export declare function quotedTable(): string | undefined;
