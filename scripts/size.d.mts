export interface Budget {
  readonly what: string;
  readonly budgetKiB: number;
  /** What it is meant to become. */
  readonly goalKiB?: number;
  /** Of an adapter that a page uses without `bulkheadAdapter`. */
  readonly aloneBudgetKiB?: number;
}

export interface Bundle {
  /** Gzipped: what a page waits for. */
  readonly eagerKiB: number;
  /** Gzipped, by the module that is loaded when it is needed, with what it brings. */
  readonly lazyKiB: Readonly<Record<string, number>>;
  /** What a page waits for. */
  readonly files: readonly string[];
  /** Minified KB of what a page waits for, by package or folder. */
  readonly parts: Readonly<Record<string, number>>;
}

export declare const BUDGETS: readonly Budget[];
/** Measures every line of the budgets, in their order; an adapter has two. */
export declare function measure(): Promise<{
  sizes: (Budget & { readonly kiB: number })[];
  /** With `bulkheadAdapter`. */
  core: Bundle;
  /** Each beside `bulkheadAdapter`, by its name. */
  adapters: Readonly<Record<string, Bundle>>;
}>;
/** The budgets as README.md quotes them. */
export declare function budgetTable(): string;
/** What README.md quotes; undefined without the marks. */
export declare function quotedTable(): string | undefined;
