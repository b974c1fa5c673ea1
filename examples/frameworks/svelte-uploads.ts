import type { Snapshot, Upload, Uploader } from 'bulkhead';
import { type Readable, readable } from 'svelte/store';

/** The snapshot as a store: `$snapshot.searchable`. */
export function snapshotOf(uploader: Uploader): Readable<Snapshot> {
  return readable(uploader.getSnapshot(), (set) => {
    const tell = () => set(uploader.getSnapshot());
    // It may have changed before somebody subscribed.
    tell();
    return uploader.subscribe(tell);
  });
}

/** One upload as a store, which tells only of changes of that upload. */
export function uploadOf(uploader: Uploader, id: string): Readable<Upload | undefined> {
  return readable<Upload | undefined>(uploader.get(id), (set) => {
    let shown: Upload | undefined;
    const tell = () => {
      const upload = uploader.get(id);
      // Svelte takes every object for a new one.
      if (upload !== shown) set(upload);
      shown = upload;
    };
    tell();
    return uploader.subscribe(tell);
  });
}
