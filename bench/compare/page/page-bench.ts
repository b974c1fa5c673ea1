/** One client in one configuration. */
export type PageClient =
  | { readonly kind: 'bulkhead' }
  | {
      readonly kind: 'loops';
      /** Files of one request for URLs, and of one that says what is done. */
      readonly batchFiles: number;
      /** SHA-256 of every file before it is sent. */
      readonly isHashing: boolean;
      /** One POST policy for all files, in place of a signed URL for each. */
      readonly hasForms: boolean;
    }
  | {
      readonly kind: 'uppy-s3';
      /**
       * `each`: one request signs one URL. `keys`: temporary keys, with which the page signs. `form`: one
       * POST policy for all files.
       */
      readonly signing: 'each' | 'keys' | 'form';
      readonly isGolden: boolean;
    }
  | { readonly kind: 'uppy-xhr'; readonly isBundle: boolean }
  | { readonly kind: 'tus' };

/** Where a client sends to. */
export interface Servers {
  /** The page's own origin. */
  readonly apiUrl: string;
  /** Another origin. */
  readonly storeUrl: string;
}

/** One client with all files, seen by the page. */
export interface PageMeasure {
  /** From handing over the files until all are acknowledged. */
  readonly totalMs: number;
  /** Longest task of the main thread meanwhile; 0 when none took over 50 ms. */
  readonly longestTaskMs: number;
  readonly tasksOver50Ms: number;
}

/** Sends all files. @throws when one was not acknowledged */
export type Upload<C extends PageClient = PageClient> = (
  files: readonly File[],
  servers: Servers,
  client: C,
) => Promise<void>;

/** What the driver calls, as `window.compareBench`. */
export interface CompareBench {
  /** Sends the files of the page's input. */
  run(client: PageClient, servers: Servers): Promise<PageMeasure>;
}

declare global {
  interface Window {
    compareBench?: CompareBench;
  }
}
