import { createUploader, type Snapshot, type Uploader, type UploaderOptions } from 'bulkhead';
import { type ComputedRef, computed, onScopeDispose, type ShallowRef, shallowRef } from 'vue';

/** An uploader that lives as long as the component (or effect scope) that calls this. */
export function useUploader(options: UploaderOptions): Uploader {
  const uploader = createUploader(options);
  onScopeDispose(() => uploader.destroy());
  return uploader;
}

/** The snapshot as a ref. Shallow: what is in it is immutable, and must not be made reactive. */
export function useSnapshot(uploader: Uploader): Readonly<ShallowRef<Snapshot>> {
  const snapshot = shallowRef(uploader.getSnapshot());
  onScopeDispose(
    uploader.subscribe(() => {
      snapshot.value = uploader.getSnapshot();
    }),
  );
  return snapshot;
}

/** What `select` returns, as a ref that changes only when that is another value: one upload, for example. */
export function useSelection<T>(
  uploader: Uploader,
  select: (uploader: Uploader) => T,
): ComputedRef<T> {
  const snapshot = useSnapshot(uploader);
  return computed(() => {
    // Read, so that it is computed anew after each snapshot.
    void snapshot.value;
    return select(uploader);
  });
}
