import type { Asset } from 'bulkhead/protocol';
import { isPresentable, itemOf, type LibraryItem } from './library-item.ts';

/** What live news say of a photo. */
export type ItemNews = Pick<LibraryItem, 'id' | 'thumbnailUrl' | 'stage' | 'error'>;

/** The whole library as far as it was fetched, newest first, each photo once. */
export class AssetList {
  readonly #byId = new Map<string, LibraryItem>();
  #items: readonly LibraryItem[] = [];
  /** Came live and not shown yet, oldest first. */
  readonly #arrived = new Map<string, LibraryItem>();
  /** `undefined` before the first page, `null` after the last. */
  #nextCursor: string | null | undefined;

  get items(): readonly LibraryItem[] {
    return this.#items;
  }

  get nextCursor(): string | null | undefined {
    return this.#nextCursor;
  }

  get hasMore(): boolean {
    return this.#nextCursor !== null;
  }

  get arrivedCount(): number {
    return this.#arrived.size;
  }

  get(id: string): LibraryItem | undefined {
    return this.#byId.get(id) ?? this.#arrived.get(id);
  }

  /** Adds a page below; photos without a picture yet are left for the news to bring. */
  append(assets: readonly Asset[], nextCursor: string | null): void {
    const added: LibraryItem[] = [];
    for (const asset of assets) {
      const item = itemOf(asset);
      if (!isPresentable(item) || this.#byId.has(item.id)) continue;
      this.#arrived.delete(item.id);
      this.#byId.set(item.id, item);
      added.push(item);
    }
    this.#items = [...this.#items, ...added];
    this.#nextCursor = nextCursor;
  }

  /**
   * Takes news of a photo.
   *
   * @returns `changed` when it is shown already, `arrived` when it now waits to be
   */
  note(news: ItemNews, name: string | undefined): 'changed' | 'arrived' | 'nothing' {
    const known = this.get(news.id);
    if (known !== undefined) {
      known.stage = news.stage;
      known.error = news.error;
      known.thumbnailUrl = news.thumbnailUrl ?? known.thumbnailUrl;
      known.name ??= name;
      return this.#byId.has(news.id) ? 'changed' : 'nothing';
    }
    const item: LibraryItem = { ...news, name, asset: undefined };
    if (!isPresentable(item)) return 'nothing';
    this.#arrived.set(item.id, item);
    return 'arrived';
  }

  /** The first `count` of those that arrived. */
  peek(count: number): LibraryItem[] {
    const first: LibraryItem[] = [];
    for (const item of this.#arrived.values()) {
      if (first.length === count) break;
      first.push(item);
    }
    return first;
  }

  /** Puts up to `count` of those that arrived on top, the newest first. */
  admit(count: number): void {
    const admitted = this.peek(count);
    for (const item of admitted) {
      this.#arrived.delete(item.id);
      this.#byId.set(item.id, item);
    }
    this.#items = [...admitted.reverse(), ...this.#items];
  }

  /** Fresh details of one photo, with fresh URLs. */
  replace(asset: Asset): LibraryItem | undefined {
    const item = this.get(asset.id);
    return item === undefined ? undefined : Object.assign(item, itemOf(asset));
  }
}
