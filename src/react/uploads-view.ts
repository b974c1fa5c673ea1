import type { Snapshot } from '../core/types.ts';
import { UPLOAD_STATUSES, type Upload, type UploadStatus } from '../core/upload-state.ts';
import type { Uploader } from '../core/uploader.ts';

/** What a selector chooses from: the sums, and the uploads behind them. */
export interface UploadsView {
  readonly snapshot: Snapshot;
  /** All uploads in the order they were added. The list is made when it is first asked for: O(n). */
  readonly uploads: readonly Upload[];
  /** Their ids, in the same order. O(n) as well; changes only when uploads come or go. */
  readonly ids: readonly string[];
  /** One upload: immutable, and the same object until it changes. O(1). */
  get(id: string): Upload | undefined;
}

class LazyView implements UploadsView {
  readonly snapshot: Snapshot;
  /** Bound: selectors take it out of the view. */
  readonly get: UploadsView['get'];
  readonly #uploader: Uploader;
  #uploads: readonly Upload[] | undefined;
  #ids: readonly string[] | undefined;

  constructor(uploader: Uploader) {
    this.#uploader = uploader;
    this.snapshot = uploader.getSnapshot();
    this.get = (id) => uploader.get(id);
  }

  get uploads(): readonly Upload[] {
    this.#uploads ??= [...this.#uploader.uploads()];
    return this.#uploads;
  }

  get ids(): readonly string[] {
    this.#ids ??= this.uploads.map(({ id }) => id);
    return this.#ids;
  }
}

/** A cache, not state: a list that many components ask for is made once a snapshot. */
const views = new WeakMap<Uploader, UploadsView>();

/** The view of the uploader's current snapshot: the same object until there is a new one. */
export function viewOf(uploader: Uploader): UploadsView {
  const known = views.get(uploader);
  if (known?.snapshot === uploader.getSnapshot()) return known;
  const view = new LazyView(uploader);
  views.set(uploader, view);
  return view;
}

const noUploads = Object.freeze(
  Object.fromEntries(UPLOAD_STATUSES.map((status) => [status, 0])),
) as Readonly<Record<UploadStatus, number>>;

const emptySnapshot: Snapshot = Object.freeze({
  state: 'idle',
  stop: null,
  wait: null,
  total: 0,
  totalBytes: 0,
  byStatus: noUploads,
  uploaded: 0,
  processed: 0,
  searchable: 0,
  failed: 0,
  duplicates: 0,
  needsFile: 0,
  needsPermission: 0,
  sentBytes: 0,
  bytesPerSecond: 0,
  secondsLeft: null,
  concurrency: 0,
  survivesReload: false,
  serverStats: null,
  watch: 'off',
});

/**
 * What a server renders, and what a page therefore has to begin with: no uploads. A page that already has
 * some, or brings some back from an earlier one, shows them right after it is hydrated.
 */
export const serverView: UploadsView = Object.freeze({
  snapshot: emptySnapshot,
  uploads: Object.freeze([]),
  ids: Object.freeze([]),
  get: () => undefined,
});
