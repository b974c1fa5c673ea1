import type { Uploader } from 'bulkhead';
import type { Stats } from 'bulkhead/protocol';
import { createArrivals } from './arrivals.ts';
import { AssetList } from './asset-list.ts';
import { byId, throttled } from './dom.ts';
import {
  fetchAsset,
  fetchPage,
  fetchStats,
  LibraryError,
  retryProcessing,
  type Scored,
  searchLike,
  searchWords,
} from './library-api.ts';
import { createLibraryHead, type LibraryMode } from './library-head.ts';
import { itemOf, type LibraryItem } from './library-item.ts';
import { createLightbox } from './lightbox.ts';
import { followNews } from './news.ts';
import { connectSearchBox } from './search-box.ts';
import { createBlankTile, createTile } from './tile.ts';
import { createVirtualGrid } from './virtual-grid.ts';

/** Skeletons shown while nothing is known yet. */
const FIRST_BLANKS = 24;
/** A thumbnail that does not load is asked for again: at once, then after so long. */
const RENEW_AGAIN_MS = 10_000;
const MAX_RENEWALS = 6;

/**
 * The gallery: the whole library, what a search found, or what looks like one photo.
 *
 * @param onCount told how many photos there are, whenever that may have changed
 */
export function connectLibrary(
  uploader: Uploader,
  onCount: (stats: Stats | undefined, shown: number) => void,
): { expect(isExpecting: boolean): void } {
  const section = byId('library');
  const list = new AssetList();
  let mode: LibraryMode = { kind: 'all' };
  let found: readonly LibraryItem[] | undefined;
  let stats: Stats | undefined;
  let problem: string | undefined;
  let isLoading = false;
  /** Photos are on their way: an empty gallery shows where they will be. */
  let isExpecting = false;
  let asking: AbortController | undefined;
  /** How often each thumbnail was asked for again. */
  const renewals = new Map<string, number>();

  const shown = (): readonly LibraryItem[] => (mode.kind === 'all' ? list.items : (found ?? []));
  const find = (id: string): LibraryItem | undefined =>
    found?.find((item) => item.id === id) ?? list.get(id);

  const grid = createVirtualGrid<LibraryItem>({
    root: byId('grid'),
    createTile: (item) =>
      createTile(item, {
        open: (id) => lightbox.open(id),
        like: (id) => showLike(id),
        expired: (id) => void renew(id),
      }),
    createBlank: createBlankTile,
  });
  const head = createLibraryHead({
    onClear: () => showAll(),
    onRetry: () => reload(),
  });
  const lightbox = createLightbox({
    items: shown,
    onNearEnd: () => void loadMore(),
    onLike: (id) => showLike(id),
    fetchDetails: async (item) => {
      Object.assign(item, itemOf(await fetchAsset(item.id), item.score));
      grid.refresh(item);
      return item;
    },
    fetchLike: async (id, signal, count) =>
      (await searchLike(id, signal, count)).map(({ asset, score }) => itemOf(asset, score)),
    retry: async (item) => {
      Object.assign(item, itemOf(await retryProcessing(item.id)));
      grid.refresh(item);
      await refreshStats();
      return item;
    },
  });
  const searchBox = connectSearchBox((text) =>
    text === '' ? showAll() : void ask({ kind: 'search', text }),
  );

  const paint = (added = 0): void => {
    const blanks =
      problem !== undefined
        ? 0
        : mode.kind === 'all'
          ? blanksBelow(list, grid.columns, isExpecting)
          : found === undefined
            ? FIRST_BLANKS
            : 0;
    grid.setItems(shown(), { pending: blanks, added });
    paintHead();
  };
  const paintHead = (): void => {
    head.update({ mode, found: found?.length, stats, shown: list.items.length, problem });
    onCount(stats, list.items.length + list.arrivedCount);
  };

  const arrivals = createArrivals({
    list,
    isShowingAll: () => mode.kind === 'all',
    isTopInSight: () => grid.isTopInSight(),
    columns: () => grid.columns,
    onAdmitted: (count) => paint(count),
    scrollToTop: () => section.scrollIntoView({ behavior: 'smooth' }),
  });
  const news = followNews(uploader, {
    onChange(change, name) {
      const result = found?.find(({ id }) => id === change.id);
      if (result !== undefined) grid.refresh(Object.assign(result, change));
      const outcome = list.note(change, name);
      if (outcome === 'arrived') arrivals.arrived();
      const item = list.get(change.id);
      if (outcome === 'changed' && item !== undefined && mode.kind === 'all') grid.refresh(item);
    },
    onStats(next) {
      stats = next;
      paintStats();
    },
  });
  const paintStats = throttled(() => requestAnimationFrame(paintHead), 250);

  async function loadMore(): Promise<void> {
    if (isLoading || mode.kind !== 'all' || !list.hasMore || problem !== undefined) return;
    isLoading = true;
    try {
      const page = await fetchPage(list.nextCursor ?? null);
      list.append(page.assets, page.nextCursor);
    } catch (error) {
      problem = wordsOf(error);
    } finally {
      isLoading = false;
    }
    if (mode.kind === 'all') paint();
    else paintHead();
    if (isEndNear()) void loadMore();
  }

  async function refreshStats(): Promise<void> {
    try {
      stats = await fetchStats();
      news.expect(stats);
    } catch {
      // The count is missing until the next news; the page below says what is wrong.
    }
    paintHead();
  }

  async function ask(next: Exclude<LibraryMode, { kind: 'all' }>): Promise<void> {
    asking?.abort();
    const controller = new AbortController();
    asking = controller;
    const isSameKind = mode.kind === next.kind && next.kind === 'search';
    mode = next;
    problem = undefined;
    // While someone types, the last results stay until the next are there.
    if (!isSameKind) found = undefined;
    paint();
    scrollToLibrary();
    try {
      const results: readonly Scored[] =
        next.kind === 'search'
          ? await searchWords(next.text, controller.signal)
          : await searchLike(next.source.id, controller.signal);
      found = results.map(({ asset, score }) =>
        itemOf(asset, next.kind === 'like' ? score : undefined),
      );
    } catch (error) {
      if (controller.signal.aborted) return;
      found = [];
      problem = wordsOf(error);
    }
    if (asking === controller) paint();
  }

  function showLike(id: string): void {
    const source = find(id) ?? lightbox.get(id);
    if (source === undefined) return;
    searchBox.clear();
    void ask({ kind: 'like', source });
    // The tile that had the focus may be gone.
    byId('library-title').focus({ preventScroll: true });
  }

  function showAll(): void {
    asking?.abort();
    searchBox.clear();
    mode = { kind: 'all' };
    found = undefined;
    problem = undefined;
    paint();
    arrivals.reconsider();
    void loadMore();
  }

  function reload(): void {
    problem = undefined;
    if (mode.kind === 'all') {
      paint();
      void refreshStats();
      void loadMore();
    } else void ask(mode);
  }

  /** A thumbnail that did not load gets a new URL: the old one ran out, or the store was away. */
  async function renew(id: string): Promise<void> {
    const tries = renewals.get(id) ?? 0;
    const item = find(id);
    if (item === undefined || tries >= MAX_RENEWALS) return;
    renewals.set(id, tries + 1);
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, RENEW_AGAIN_MS));
    try {
      Object.assign(item, itemOf(await fetchAsset(id), item.score));
      grid.refresh(item);
    } catch {
      // The tile keeps its skeleton meanwhile; opening the photo says what is wrong.
      void renew(id);
    }
  }

  function scrollToLibrary(): void {
    if (!grid.isTopInSight()) section.scrollIntoView();
  }

  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && mode.kind !== 'all' && !lightbox.isOpen) showAll();
  });
  const end = byId('grid-end');
  const isEndNear = (): boolean =>
    end.getBoundingClientRect().top < window.innerHeight * 2.5 && !section.hidden;
  new IntersectionObserver(
    (entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) void loadMore();
    },
    { rootMargin: '150% 0px' },
  ).observe(end);
  paint();
  void refreshStats();
  void loadMore();

  return {
    expect(isNowExpecting) {
      isExpecting = isNowExpecting;
      if (mode.kind === 'all') paint();
      // The uploader stops listening when its last upload is through, just before the last counts.
      if (!isExpecting) void refreshStats();
    },
  };
}

/** Skeletons under what is there: a screenful before the first page, a row or two after it. */
function blanksBelow(list: AssetList, columns: number, isExpecting: boolean): number {
  if (list.nextCursor === undefined) return FIRST_BLANKS;
  return list.hasMore || (isExpecting && list.items.length === 0) ? columns * 2 : 0;
}

function wordsOf(error: unknown): string {
  if (error instanceof LibraryError) return error.message;
  reportError(error);
  return 'Something went wrong on this page.';
}
