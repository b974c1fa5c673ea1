import { framed } from './dom.ts';

/** One element of the grid. */
export interface GridTile<T> {
  readonly root: HTMLElement;
  /** What takes the keyboard focus. */
  readonly target: HTMLElement;
  update(item: T): void;
}

export interface VirtualGridOptions<T> {
  readonly root: HTMLElement;
  readonly createTile: (item: T) => GridTile<T>;
  /** A tile that stands for one that is still being fetched. */
  readonly createBlank: () => HTMLElement;
}

export interface VirtualGrid<T> {
  /** Shows these items; `pending` blanks follow them. `added`: so many are new, on top. */
  setItems(items: readonly T[], options?: { pending?: number; added?: number }): void;
  /** The item changed in place. */
  refresh(item: T): void;
  readonly columns: number;
  /** Whether the first row is in sight: what is put before it will be seen, and may move it. */
  isTopInSight(): boolean;
}

const GAP = 8;
const GLIDE_MS = 450;

/**
 * A grid of square tiles of which only those in sight, and a screen around them, exist: the page
 * costs the same with a hundred photos as with a hundred thousand. Arrow keys move between tiles.
 */
export function createVirtualGrid<T extends { readonly id: string }>(
  options: VirtualGridOptions<T>,
): VirtualGrid<T> {
  const { root, createTile, createBlank } = options;
  const tiles = new Map<string, GridTile<T>>();
  /** What each tile shows: another list may hold another object for the same photo. */
  const shown = new Map<string, T>();
  const blanks = new Map<number, HTMLElement>();
  let items: readonly T[] = [];
  let pending = 0;
  let columns = 1;
  let tileSize = 0;
  let shownWidth = 0;
  let activeId: string | undefined;
  let added = 0;
  const isStill = window.matchMedia('(prefers-reduced-motion: reduce)');

  const rowHeight = (): number => tileSize + GAP;
  const place = (element: HTMLElement, index: number): void => {
    const x = (index % columns) * (tileSize + GAP);
    const y = Math.floor(index / columns) * rowHeight();
    element.style.transform = `translate(${x}px, ${y}px)`;
  };

  const measure = (): void => {
    const width = root.clientWidth;
    if (width === shownWidth || width === 0) return;
    shownWidth = width;
    const least = width < 560 ? 104 : width < 1000 ? 150 : 168;
    columns = Math.max(2, Math.floor((width + GAP) / (least + GAP)));
    tileSize = (width - GAP * (columns - 1)) / columns;
    root.style.setProperty('--tile', `${tileSize}px`);
  };

  /** Indices of the tiles that should exist now. */
  const range = (): { first: number; last: number } => {
    const count = items.length + pending;
    const top = root.getBoundingClientRect().top;
    const screen = window.innerHeight;
    const firstRow = Math.max(0, Math.floor((-top - screen / 2) / rowHeight()));
    const lastRow = Math.ceil((screen * 1.5 - top) / rowHeight());
    return {
      first: Math.min(count, firstRow * columns),
      last: Math.min(count, Math.max(0, lastRow) * columns),
    };
  };

  const paint = (): void => {
    measure();
    if (tileSize === 0) return;
    const rows = Math.ceil((items.length + pending) / columns);
    root.style.height = rows === 0 ? '0' : `${rows * rowHeight() - GAP}px`;
    const { first, last } = range();
    const wanted = new Set(items.slice(first, last).map(({ id }) => id));
    for (const [id, tile] of tiles) {
      if (wanted.has(id)) continue;
      // The tile that has the keyboard stays, or the focus would fall back to the page.
      const kept = tile.root.contains(document.activeElement)
        ? items.findIndex((item) => item.id === id)
        : -1;
      if (kept >= 0) {
        place(tile.root, kept);
        continue;
      }
      tile.root.remove();
      tiles.delete(id);
      shown.delete(id);
    }
    for (const [index, blank] of blanks) {
      if (index >= items.length && index >= first && index < last) continue;
      blank.remove();
      blanks.delete(index);
    }
    // In the order of the items, for those who read the page without seeing it.
    let before = root.firstElementChild;
    for (let index = first; index < last; index += 1) {
      const element = elementAt(index);
      place(element, index);
      if (element === before) before = before.nextElementSibling;
      else root.insertBefore(element, before);
    }
    markActive();
    glide();
    added = 0;
  };

  /**
   * Whole rows on top push everything down by the same distance: one animation of the grid shows
   * it, where one for each tile would cost the page its frames. Not further than tiles exist outside of the
   * screen: it would show an empty grid.
   */
  const glide = (): void => {
    if (added === 0 || added % columns !== 0 || added === items.length || isStill.matches) return;
    const distance = (added / columns) * rowHeight();
    if (distance > window.innerHeight / 2) return;
    root.animate([{ transform: `translateY(${-distance}px)` }, { transform: 'none' }], {
      duration: GLIDE_MS,
      easing: 'cubic-bezier(0.2, 0.7, 0.2, 1)',
    });
  };

  const elementAt = (index: number): HTMLElement => {
    const item = items[index];
    if (item === undefined) {
      let blank = blanks.get(index);
      if (blank === undefined) {
        blank = createBlank();
        blanks.set(index, blank);
      }
      return blank;
    }
    let tile = tiles.get(item.id);
    if (tile === undefined) {
      tile = createTile(item);
      tile.target.tabIndex = -1;
      tiles.set(item.id, tile);
    } else if (shown.get(item.id) !== item) {
      tile.update(item);
    }
    shown.set(item.id, item);
    const [size, position] = [String(items.length), String(index + 1)];
    if (tile.root.ariaSetSize !== size) tile.root.ariaSetSize = size;
    if (tile.root.ariaPosInSet !== position) tile.root.ariaPosInSet = position;
    return tile.root;
  };

  /** One stop for the Tab key, whatever the number of photos; arrows do the rest. */
  const markActive = (): void => {
    const active = activeId !== undefined && tiles.has(activeId) ? activeId : items[0]?.id;
    for (const [id, tile] of tiles) tile.target.tabIndex = id === active ? 0 : -1;
  };

  const repaint = framed(paint);

  const focusIndex = (index: number): void => {
    const item = items[index];
    if (item === undefined) return;
    const rowTop = root.getBoundingClientRect().top + Math.floor(index / columns) * rowHeight();
    const margin = 80;
    if (rowTop < margin) window.scrollBy(0, rowTop - margin);
    else if (rowTop + tileSize > window.innerHeight - 24) {
      window.scrollBy(0, rowTop + tileSize + 24 - window.innerHeight);
    }
    activeId = item.id;
    paint();
    tiles.get(item.id)?.target.focus({ preventScroll: true });
  };

  root.addEventListener('focusin', (event) => {
    for (const [id, tile] of tiles) if (tile.target === event.target) activeId = id;
    markActive();
  });
  root.addEventListener('keydown', (event) => {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: Number.NEGATIVE_INFINITY,
      End: Number.POSITIVE_INFINITY,
    };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const from = items.findIndex(({ id }) => id === activeId);
    if (from < 0) return;
    event.preventDefault();
    focusIndex(Math.max(0, Math.min(items.length - 1, from + step)));
  });
  window.addEventListener('scroll', repaint, { passive: true });
  window.addEventListener('resize', repaint);
  new ResizeObserver(repaint).observe(root);
  // What stands above the grid grows and shrinks: then other rows are in sight.
  new ResizeObserver(repaint).observe(document.body);

  return {
    setItems(next, { pending: nextPending = 0, added: nextAdded = 0 } = {}) {
      items = next;
      pending = nextPending;
      added += nextAdded;
      repaint();
    },
    refresh(item) {
      tiles.get(item.id)?.update(item);
    },
    get columns() {
      measure();
      return columns;
    },
    isTopInSight() {
      return root.getBoundingClientRect().top > -tileSize / 2;
    },
  };
}
