'use client';

import { bulkheadAdapter, createUploader, type Uploader } from 'bulkhead';
import { useEffect, useState, useSyncExternalStore } from 'react';

export default function Page() {
  const [uploader, setUploader] = useState<Uploader>();
  useEffect(() => {
    if (!document.cookie.includes('visitor=')) {
      // biome-ignore lint/suspicious/noDocumentCookie: not every browser has the Cookie Store API
      document.cookie = `visitor=${crypto.randomUUID()}; path=/; max-age=31536000; samesite=lax`;
    }
    const made = createUploader({ adapter: bulkheadAdapter() });
    setUploader(made);
    return () => made.destroy();
  }, []);
  return uploader ? <Uploads uploader={uploader} /> : null;
}

function Uploads({ uploader }: { uploader: Uploader }) {
  const snapshot = useSyncExternalStore(
    (listener) => uploader.subscribe(listener),
    () => uploader.getSnapshot(),
    () => uploader.getSnapshot(),
  );
  const { total, uploaded, processed, searchable, failed } = snapshot;
  return (
    <main>
      <h1>Photos</h1>
      <input
        type="file"
        multiple
        accept="image/*"
        aria-label="Photos"
        onChange={({ target }) => target.files && uploader.add(target.files)}
      />
      <p role="status">
        Uploading {uploaded}/{total} · Processing {processed}/{total} · Searchable {searchable}/
        {total}
        {failed > 0 ? ` · ${failed} failed` : ''}
      </p>
    </main>
  );
}
