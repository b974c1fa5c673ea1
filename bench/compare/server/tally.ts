/** What came in during one run. */
export interface Arrivals {
  /** Requests by method and route, preflights among them; the page's own scripts are not counted. */
  readonly requests: Readonly<Record<string, number>>;
  /** Every file that arrived whole, and its bytes. */
  readonly files: readonly (readonly [name: string, sizeBytes: number])[];
  /** Files that arrived a second time. */
  readonly repeated: number;
  /** Files that somebody said were done (finalize), or whose answer says it (a form, a pack, tus). */
  readonly finalized: number;
}

/** Counts what arrives; nothing else is kept of it. */
export class Tally {
  readonly #requests = new Map<string, number>();
  readonly #files = new Map<string, number>();
  readonly #finalized = new Set<string>();
  #repeated = 0;

  request(route: string): void {
    this.#requests.set(route, (this.#requests.get(route) ?? 0) + 1);
  }

  stored(name: string, sizeBytes: number): void {
    if (this.#files.has(name)) this.#repeated += 1;
    this.#files.set(name, sizeBytes);
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  finalized(name: string): void {
    this.#finalized.add(name);
  }

  arrivals(): Arrivals {
    return {
      requests: Object.fromEntries(this.#requests),
      files: [...this.#files],
      repeated: this.#repeated,
      finalized: this.#finalized.size,
    };
  }
}
