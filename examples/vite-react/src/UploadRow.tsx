import { describeFailure, formatBytes, type Uploader } from 'bulkhead';
import { useUploads } from 'bulkhead/react';

/** Renders again when its own upload changes, and never else. */
export function UploadRow({ uploader, id }: { uploader: Uploader; id: string }) {
  const upload = useUploads(uploader, (view) => view.get(id));
  if (!upload) return null;
  const failure = 'failure' in upload ? upload.failure : undefined;
  return (
    <li className={upload.status}>
      <span>{upload.path}</span>
      <span>{formatBytes(upload.sizeBytes)}</span>
      <strong>{failure ? describeFailure(failure) : upload.status}</strong>
    </li>
  );
}
