/** The part of localStorage that is used. */
export type TokenStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** Where an adapter keeps its resume tokens: apart from what reads and writes them, which may be loaded late. */
export interface TokenPlace {
  /** undefined where the page may not store anything. */
  readonly storage: TokenStorage | undefined;
  /** Of the items' names: the key follows. */
  readonly prefix: string;
}

/** @param name the adapter's, and its endpoint: tokens of others are not seen */
export function tokenPlace(name: string): TokenPlace {
  return { storage: ownStorage(), prefix: `bulkhead:resume:${name}:` };
}

/** Whether there may be a token, of this page or an earlier one. */
export function mayHaveToken({ storage, prefix }: TokenPlace, key: string): boolean {
  return Boolean(storage?.getItem(prefix + key));
}

/** Reading the property alone throws where a page may not store anything. */
function ownStorage(): TokenStorage | undefined {
  try {
    return globalThis.localStorage ?? undefined;
  } catch {
    return undefined;
  }
}
