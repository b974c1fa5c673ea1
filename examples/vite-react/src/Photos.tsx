import { bulkheadAdapter, type Uploader } from 'bulkhead';
import { useProcessingProgress, useUploader, useUploads } from 'bulkhead/react';
import { UploadRow } from './UploadRow.tsx';

/** A list of thousands belongs into a virtual list; this one shows the last few. */
const SHOWN = 50;

export function Photos() {
  const uploader = useUploader({
    adapter: bulkheadAdapter(),
    restrictions: { allowedTypes: ['image/*'], maxFileSizeBytes: 100_000_000 },
  });
  return (
    <main>
      <h1>Photos</h1>
      <label
        className="zone"
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          uploader.add(event.dataTransfer);
        }}
      >
        Drop photos or folders here, or choose some
        <input
          type="file"
          multiple
          accept="image/*"
          aria-label="Photos"
          onChange={({ target }) => {
            if (target.files) uploader.add(target.files);
          }}
        />
      </label>
      <Progress uploader={uploader} />
      <List uploader={uploader} />
    </main>
  );
}

function Progress({ uploader }: { uploader: Uploader }) {
  const { uploading, processing, searchable, failed } = useProcessingProgress(uploader);
  const isPaused = useUploads(uploader, ({ snapshot }) => snapshot.state === 'paused');
  if (uploading.total + failed === 0) return null;
  return (
    <div className="progress">
      <p role="status">
        Uploaded {uploading.done}/{uploading.total} · Processed {processing.done}/{processing.total}{' '}
        · Searchable {searchable.done}/{searchable.total}
        {failed > 0 && ` · ${failed} failed`}
      </p>
      <progress value={searchable.done} max={searchable.total} aria-label="Searchable" />
      <button type="button" onClick={() => (isPaused ? uploader.resume() : uploader.pause())}>
        {isPaused ? 'Resume' : 'Pause'}
      </button>
      {failed > 0 && (
        <button type="button" onClick={() => uploader.deadLetters.redrive('all')}>
          Try again
        </button>
      )}
    </div>
  );
}

function List({ uploader }: { uploader: Uploader }) {
  const ids = useUploads(uploader, (view) => view.ids.slice(-SHOWN));
  return (
    <ul>
      {ids.map((id) => (
        <UploadRow key={id} uploader={uploader} id={id} />
      ))}
    </ul>
  );
}
