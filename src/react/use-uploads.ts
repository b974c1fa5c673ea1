import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { Upload } from '../core/upload-state.ts';
import type { Uploader } from '../core/uploader.ts';
import { shallowEqual } from './shallow-equal.ts';
import { serverView, type UploadsView, viewOf } from './uploads-view.ts';

const allUploads = (view: UploadsView): readonly Upload[] => view.uploads;

/** All uploads, in the order they were added: the same list until one of them changes. */
export function useUploads(uploader: Uploader): readonly Upload[];
/**
 * Renders again when what `selector` chooses changes, and only then; at most ten times a second.
 *
 * A list that stays fast takes `({ ids }) => ids`, and each of its rows `({ get }) => …` of its own id.
 *
 * @param selector pure; it may be written in place, and may depend on props
 * @param isEqual whether two selections are the same. Default: identical, or lists or plain objects of
 * identical entries
 * @example
 * const ids = useUploads(uploader, (view) => view.ids);
 * const upload = useUploads(uploader, (view) => view.get(id));
 * const { sentBytes, totalBytes } = useUploads(uploader, (view) => view.snapshot);
 */
export function useUploads<T>(
  uploader: Uploader,
  selector: (view: UploadsView) => T,
  isEqual?: (one: T, other: T) => boolean,
): T;
export function useUploads(
  uploader: Uploader,
  selector: (view: UploadsView) => unknown = allUploads,
  isEqual: (one: unknown, other: unknown) => boolean = shallowEqual,
): unknown {
  /** What is on the page: a selector written in place is another function each time. */
  const shown = useRef<{ readonly value: unknown } | null>(null);
  const selectFrom = useMemo(() => {
    let last: { readonly view: UploadsView; readonly value: unknown } | undefined;
    return (view: UploadsView): unknown => {
      if (last?.view === view) return last.value;
      const before = last ?? shown.current;
      const selected = selector(view);
      const value = before && isEqual(before.value, selected) ? before.value : selected;
      last = { view, value };
      return value;
    };
  }, [selector, isEqual]);
  const value = useSyncExternalStore(
    useCallback((listener) => uploader.subscribe(listener), [uploader]),
    () => selectFrom(viewOf(uploader)),
    () => selectFrom(serverView),
  );
  useEffect(() => {
    shown.current = { value };
  }, [value]);
  return value;
}
