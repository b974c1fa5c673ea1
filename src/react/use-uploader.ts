import { useEffect, useState } from 'react';
import type { Uploader } from '../core/uploader.ts';
import type { UploaderOptions } from '../create-uploader.ts';
import { UploaderLease } from './uploader-lease.ts';

const isUploader = (source: UploaderOptions | Uploader): source is Uploader =>
  'getSnapshot' in source;

/**
 * An uploader that lives as long as the component: made once, with the options of the first render, and
 * destroyed after it is unmounted. Safe in StrictMode. Given an uploader, it returns that one and never
 * destroys it: make it outside of React where uploads should go on whatever is rendered.
 *
 * On a server it is an uploader without uploads that does nothing. A component that `<Activity>` hides
 * counts as unmounted, and gets another uploader when it is shown again.
 *
 * @throws OptionError when an option is unknown or wrong
 * @example
 * const uploader = useUploader({ adapter: bulkheadAdapter() });
 */
export function useUploader(source: UploaderOptions | Uploader): Uploader {
  const [lease, renew] = useState(() => new UploaderLease());
  const isGiven = isUploader(source);
  useEffect(() => {
    if (isGiven) return undefined;
    if (!lease.isEnded) return lease.keep();
    renew(new UploaderLease());
    return undefined;
  }, [lease, isGiven]);
  return isGiven ? source : lease.uploader(source);
}
