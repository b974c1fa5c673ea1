import { bulkheadAdapter, createUploader, type Uploader } from 'bulkhead';
import { byId, setText } from './dom.ts';
import { connectDropZone, type Picked } from './drop-zone.ts';
import { connectFailures } from './failures.ts';
import { formatBytes, formatCounted } from './format.ts';
import { guardLeaving } from './leave-guard.ts';
import { connectLibrary } from './library.ts';
import { connectProgress } from './progress.ts';
import { connectSessions } from './sessions.ts';
import { connectTheme } from './theme.ts';
import { createToast } from './toast.ts';

declare global {
  interface Window {
    /**
     * The page's uploader, for the console and for scripts that drive the page: for example
     * `bulkhead.uploader.getSnapshot()`, `bulkhead.uploader.on('upload-failed', console.log)`.
     */
    bulkhead?: { readonly uploader: Uploader };
  }
}

/** What the server kit decodes. It judges by the bytes; this saves the way there. */
const IMAGE_TYPES = ['image/jpeg', 'image/png', 'image/webp', 'image/avif', 'image/gif'];

const maxFileSizeBytes = Number(
  document.querySelector<HTMLMetaElement>('meta[name="bulkhead-max-file-bytes"]')?.content,
);

/** Whose uploads these are: an application gives the id of whoever is signed in. */
const scope = /bulkhead_scope=(\w+)/.exec(document.cookie)?.[1] ?? '';

const uploader = createUploader({
  adapter: bulkheadAdapter(),
  scope,
  restrictions: { maxFileSizeBytes, allowedTypes: IMAGE_TYPES },
});
window.bulkhead = { uploader };

connectTheme(byId('theme', HTMLButtonElement));
const toast = createToast();
let isInSession = false;
let photosKnown: number | undefined;

/** The drop zone fills the page only while there is nothing else to show. */
function arrange(): void {
  if (photosKnown === undefined && !isInSession) return;
  document.body.classList.toggle('is-first-visit', photosKnown === 0 && !isInSession);
  delete document.body.dataset.starting;
}

const library = connectLibrary(uploader, (stats, shown) => {
  if (stats === undefined && shown === 0) return;
  photosKnown = Math.max(stats?.total ?? 0, shown);
  arrange();
});
const progress = connectProgress(uploader, ({ phase }) => {
  isInSession = phase !== 'none';
  arrange();
  library.expect(phase === 'uploading' || phase === 'processing');
});
connectSessions(uploader, toast);
connectFailures(uploader);
connectDropZone((picked) => void take(picked));
guardLeaving(uploader);
const limit = formatBytes(maxFileSizeBytes).replace(' ', '\u00a0');
setText(byId('limits'), `JPEG, PNG, WebP, AVIF or GIF, up to ${limit} each.`);
// A server that does not answer must not leave the page blank.
window.setTimeout(() => delete document.body.dataset.starting, 600);

let intakes = 0;

async function take(picked: Picked): Promise<void> {
  intakes += 1;
  // Called before anything is awaited: a drop's DataTransfer is empty afterwards.
  const adding = uploader.add(picked);
  progress.finding(true);
  try {
    const { added, refused, repeated } = await adding;
    if (repeated > 0) {
      toast(
        `${formatCounted(repeated, 'file')} had been added before and ${repeated === 1 ? 'was' : 'were'} left out.`,
      );
    } else if (added + refused === 0) {
      toast('There were no files in that.');
    }
  } catch (error) {
    reportError(error);
    toast('That could not be read. Try the buttons instead.');
  } finally {
    intakes -= 1;
    progress.finding(intakes > 0);
  }
}
