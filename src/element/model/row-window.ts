/** What of a list with rows of one height should exist. */
export interface RowWindow {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

export interface RowView {
  readonly scrollTop: number;
  /** Of the part that can be seen. */
  readonly height: number;
  readonly rowHeight: number;
  readonly count: number;
}

/** Rows kept above and below what can be seen, so that a fast scroll meets no gap. */
const OVERSCAN = 6;
/** However high the window claims to be, as before a first layout: so many rows at most. */
const MAX_ROWS = 120;

/** The rows in sight and a few around them: O(1), because all rows have one height. */
export function rowWindow({ scrollTop, height, rowHeight, count }: RowView): RowWindow {
  if (count === 0 || rowHeight <= 0) return { first: 0, end: 0 };
  const seen = Math.max(0, Math.floor(scrollTop / rowHeight));
  // Rows may have gone while the list was scrolled to its end.
  const first = Math.max(0, Math.min(seen, count - Math.ceil(height / rowHeight)) - OVERSCAN);
  const end = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + OVERSCAN);
  return { first, end: Math.max(first, Math.min(end, first + MAX_ROWS)) };
}

/** Where to scroll, so that a row can be seen with a little room; the same place where it can. */
export function scrollTopFor(index: number, view: RowView): number {
  const top = index * view.rowHeight;
  if (top < view.scrollTop) return top;
  const bottom = top + view.rowHeight;
  return bottom > view.scrollTop + view.height ? bottom - view.height : view.scrollTop;
}
