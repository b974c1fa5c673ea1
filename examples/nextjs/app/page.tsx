'use client';

import { createUploader, type Uploader } from 'bulkhead';
import { useProcessingProgress } from 'bulkhead/react';
import { useEffect, useState } from 'react';
import { adapterFor } from '../lib/adapter';
import { visitorId } from '../lib/visitor';

export default function Page() {
  const [uploader, setUploader] = useState<Uploader>();
  // Who is asking is known in the browser only. Where your server knows it, useUploader does this.
  useEffect(() => {
    const id = visitorId();
    const made = createUploader({ adapter: adapterFor(id), scope: id });
    setUploader(made);
    return () => made.destroy();
  }, []);
  return uploader ? <Uploads uploader={uploader} /> : null;
}

function Uploads({ uploader }: { uploader: Uploader }) {
  const { uploading, processing, searchable, failed } = useProcessingProgress(uploader);
  return (
    <main>
      <h1>Photos</h1>
      <input
        type="file"
        multiple
        accept="image/*"
        aria-label="Photos"
        onChange={({ target }) => {
          if (target.files) uploader.add(target.files);
        }}
      />
      <p role="status">
        Uploaded {uploading.done}/{uploading.total} · Processed {processing.done}/{processing.total}{' '}
        · Searchable {searchable.done}/{searchable.total}
        {failed > 0 && ` · ${failed} failed`}
      </p>
    </main>
  );
}
