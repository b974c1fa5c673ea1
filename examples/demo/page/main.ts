import { bulkheadAdapter, createUploader, type Uploader } from 'bulkhead';
import 'bulkhead/element';
import { byId, setText } from './dom.ts';
import { formatBytes } from './format.ts';
import { connectLibrary } from './library.ts';
import { connectOverall } from './overall.ts';
import { connectTheme } from './theme.ts';
import { photoWords } from './words.ts';

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

const element = document.querySelector('bulkhead-uploader');
if (element === null) throw new Error('index.html has no <bulkhead-uploader>');
element.strings = photoWords;
const limit = formatBytes(maxFileSizeBytes).replace(' ', '\u00a0');
setText(byId('limits'), `JPEG, PNG, WebP, AVIF or GIF, up to ${limit} each.`);

connectTheme(byId('theme', HTMLButtonElement), (theme) => {
  element.theme = theme;
});
let isInSession = false;
let photosKnown: number | undefined;

/** The drop zone fills the page only while there is nothing else to show. */
function arrange(): void {
  if (photosKnown === undefined && !isInSession) return;
  const isFirstVisit = photosKnown === 0 && !isInSession;
  document.body.classList.toggle('is-first-visit', isFirstVisit);
  if (element) element.isCompact = !isFirstVisit;
  delete document.body.dataset.starting;
}

const library = connectLibrary(uploader, (stats, shown) => {
  if (stats === undefined && shown === 0) return;
  photosKnown = Math.max(stats?.total ?? 0, shown);
  arrange();
});
element.addEventListener('bulkhead-phase-changed', ({ detail: { phase } }) => {
  isInSession = phase !== 'none';
  arrange();
  library.expect(phase === 'uploading' || phase === 'processing');
});
connectOverall(uploader);
element.uploader = uploader;
// A server that does not answer must not leave the page blank.
window.setTimeout(() => delete document.body.dataset.starting, 600);
