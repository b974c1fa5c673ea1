import type { Uploader } from 'bulkhead';
import { readSession } from './session-state.ts';

/** Asks before the tab is closed while files are not sent; what the server has needs no tab. */
export function guardLeaving(uploader: Uploader): void {
  window.addEventListener('beforeunload', (event) => {
    if (readSession(uploader.getSnapshot()).unsent > 0) event.preventDefault();
  });
}
