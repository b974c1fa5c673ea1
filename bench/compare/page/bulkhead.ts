import { bulkheadAdapter, createUploader, describeFailure } from 'bulkhead';
import type { Upload } from './page-bench.ts';
import { RunError } from './post-json.ts';

/** As in the README: every file is hashed, every step is in the journal. */
export const uploadByBulkhead: Upload = (files) => {
  const uploader = createUploader({ adapter: bulkheadAdapter() });
  let finalized = 0;
  return new Promise((resolve, reject) => {
    uploader.on('upload-finalized', () => {
      finalized += 1;
      if (finalized === files.length) resolve();
    });
    uploader.on('upload-failed', ({ failure }) => reject(new RunError(describeFailure(failure))));
    uploader.on('uploads-stopped', ({ failure }) => reject(new RunError(describeFailure(failure))));
    uploader.on('journal-degraded', ({ error }) => reject(error));
    uploader.add(files).then(({ added }) => {
      if (added !== files.length) reject(new RunError(`${added} of ${files.length} were taken in`));
    }, reject);
  });
};
