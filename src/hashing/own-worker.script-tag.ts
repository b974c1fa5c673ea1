import { startWorkerAt } from './start-worker.ts';

/** Known only while the script itself runs. */
const scriptUrl = urlOfThisScript();

function urlOfThisScript(): string {
  const script = typeof document === 'undefined' ? null : document.currentScript;
  return script && 'src' in script ? script.src : '';
}

/** Takes the place of `own-worker.ts` in the build for `<script>` tags: the worker is beside it. */
export function startOwnWorker(): Worker {
  return startWorkerAt(new URL('hash-worker.js', scriptUrl));
}
