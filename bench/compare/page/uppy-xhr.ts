import XHRUpload from '@uppy/xhr-upload';
import type { PageClient, Upload } from './page-bench.ts';
import { createUppy, uploadAll } from './uppy.ts';

type XhrClient = Extract<PageClient, { kind: 'uppy-xhr' }>;

/** Uppy to a form on the page's own origin: no preflight. */
export const uploadByUppyXhr: Upload<XhrClient> = async (files, { apiUrl }, { isBundle }) => {
  const uppy = createUppy();
  uppy.use(XHRUpload, {
    endpoint: `${apiUrl}/form`,
    bundle: isBundle,
    limit: 6,
    allowedMetaFields: false,
    // Its own is 30 s without progress, which a page that is busy for longer would miss.
    timeout: 0,
  });
  await uploadAll(uppy, files);
};
