import { bulkheadAdapter, describeFailure, type Uploader } from 'bulkhead';
import { useProcessingProgress, useUploader, useUploads } from 'bulkhead/react';
import { memo } from 'react';

export function Uploads({ baseUrl = '' }: { baseUrl?: string }) {
  const uploader = useUploader({ adapter: bulkheadAdapter({ baseUrl }) });
  const ids = useUploads(uploader, (view) => view.ids);
  return (
    <section>
      <input
        type="file"
        multiple
        accept="image/*"
        aria-label="Photos"
        onChange={({ target }) => target.files && uploader.add(target.files)}
      />
      <Progress uploader={uploader} />
      <ul>
        {ids.map((id) => (
          <Row key={id} uploader={uploader} id={id} />
        ))}
      </ul>
    </section>
  );
}

function Progress({ uploader }: { uploader: Uploader }) {
  const { uploading, processing, searchable } = useProcessingProgress(uploader);
  const stages = { Uploading: uploading, Processing: processing, Searchable: searchable };
  const texts = Object.entries(stages).map(([name, { done, total }]) => `${name} ${done}/${total}`);
  return <p role="status">{texts.join(' · ')}</p>;
}

/** Renders again when its own upload changes, whatever becomes of the other 9,999. */
const Row = memo(function Row({ uploader, id }: { uploader: Uploader; id: string }) {
  const upload = useUploads(uploader, (view) => view.get(id));
  if (!upload) return null;
  const failure = 'failure' in upload ? `: ${describeFailure(upload.failure)}` : '';
  return (
    <li>
      {upload.path} – {upload.status}
      {failure}
      {upload.status === 'dead' && (
        <button type="button" onClick={() => uploader.retry(id)}>
          Retry
        </button>
      )}
    </li>
  );
});
