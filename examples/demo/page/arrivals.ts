import type { AssetList } from './asset-list.ts';
import { byId, show } from './dom.ts';
import { formatCounted } from './format.ts';
import { icon } from './icons.ts';
import type { LibraryItem } from './library-item.ts';

/** How often the gallery takes in what arrived. */
const STEP_MS = 500;
/** Thumbnails that take longer than this to come are waited for in the gallery. */
const LOAD_MS = 1500;
/** After so long without news, the last ones need not wait to fill a row. */
const QUIET_MS = 900;

/** More than a screen holds. */
const MAX_LOADED = 60;

export interface ArrivalsOptions {
  readonly list: AssetList;
  /** Whether the gallery shows the whole library just now. */
  readonly isShowingAll: () => boolean;
  readonly isTopInSight: () => boolean;
  readonly columns: () => number;
  /** `list` has so many new items on top. */
  readonly onAdmitted: (count: number) => void;
  readonly scrollToTop: () => void;
}

/**
 * Lets new photos in so that the gallery stays calm: in whole rows, so that what is there slides
 * down and keeps its column; and not above what someone is looking at further down, who gets a
 * button instead.
 */
export function createArrivals(options: ArrivalsOptions): { arrived(): void; reconsider(): void } {
  const { list } = options;
  const button = byId('arrivals', HTMLButtonElement);
  let timer: number | undefined;
  let lastNewsMs = 0;
  let isLoading = false;

  const step = (): void => {
    timer = undefined;
    if (list.arrivedCount === 0 || !options.isShowingAll()) {
      show(button, false);
      return;
    }
    if (!options.isTopInSight()) {
      button.replaceChildren(icon('up'), formatCounted(list.arrivedCount, 'new photo'));
      show(button, true);
      return;
    }
    const columns = options.columns();
    const isQuiet = performance.now() - lastNewsMs >= QUIET_MS;
    const rows = Math.floor(list.arrivedCount / columns);
    // An empty gallery need not wait for a full row.
    const isWhole = isQuiet || list.items.length === 0;
    void loadAndAdmit(isWhole ? list.arrivedCount : rows * columns);
  };
  /** With their thumbnails in hand: the top of the gallery is never a row of empty squares. */
  const loadAndAdmit = async (count: number): Promise<void> => {
    isLoading = true;
    const images = list.peek(Math.min(count, MAX_LOADED)).map(loadThumbnail);
    await Promise.race([
      Promise.all(images),
      new Promise((resolve) => setTimeout(resolve, LOAD_MS)),
    ]);
    isLoading = false;
    if (options.isShowingAll() && options.isTopInSight()) admit(Math.min(count, list.arrivedCount));
    if (list.arrivedCount > 0) schedule();
  };
  const admit = (count: number): void => {
    show(button, false);
    if (count === 0) return;
    list.admit(count);
    options.onAdmitted(count);
  };
  const schedule = (): void => {
    if (timer === undefined && !isLoading) timer = window.setTimeout(step, STEP_MS);
  };

  button.addEventListener('click', () => {
    admit(list.arrivedCount);
    options.scrollToTop();
  });
  window.addEventListener(
    'scroll',
    () => {
      if (list.arrivedCount > 0) schedule();
    },
    { passive: true },
  );
  return {
    arrived() {
      lastNewsMs = performance.now();
      schedule();
    },
    reconsider: schedule,
  };
}

/** Resolves when the picture is there, or will not come: the tile deals with that. */
async function loadThumbnail({ thumbnailUrl }: LibraryItem): Promise<void> {
  if (thumbnailUrl === null) return;
  const image = new Image();
  image.src = thumbnailUrl;
  await image.decode().catch(() => {});
}
