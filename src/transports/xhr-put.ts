import { UploadError } from '../errors/upload-error.ts';
import { isChromium } from '../runtime/is-chromium.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { PutRequest } from './adapter.ts';
import { isHtmlPage } from './html-page.ts';
import { toAnswerError } from './read-problem.ts';
import { formOf, goesUnwatched } from './store-form.ts';

/** No byte moved for so long: the upload hangs. Slow is fine, as long as it moves. */
const SENDING_STALL_MS = 30_000;
/** Firefox copies a body before it sends the first byte, from slow disks as slowly as that. */
const SLOWEST_COPY_BYTES_PER_MS = 4_000;
/** All bytes are out and the store is silent. */
const ANSWER_STALL_MS = 60_000;
/**
 * Bytes count as sent when the system takes them, and it may hold so many before they leave: on a slow
 * link their way takes much longer than their report.
 */
const BUFFERED_BYTES = 256 * 1024;
/** The slowest link that is waited for. */
const SLOWEST_BYTES_PER_MS = 1_024 / 1_000;

/** One request that carries bytes. */
export interface SendRequest extends Pick<PutRequest, 'body' | 'signal' | 'onProgress'> {
  readonly credential: {
    readonly uploadUrl: string;
    readonly method: string;
    readonly headers: Record<string, string>;
    /** The body goes as the last field of a form, `file`, after these. */
    readonly fields?: Record<string, string> | undefined;
  };
  /** Whether cookies go to another origin. Default false. */
  readonly withCredentials?: boolean;
}

/**
 * One PUT, or one form, by XMLHttpRequest, the only way to upload progress in every browser. There is no total
 * timeout: a timer ends what does not move, and nothing else (Firefox never reports the end of a file
 * that was cut off while it was read).
 *
 * @throws UploadError classified; `network_failed` when no answer came
 */
export async function xhrPut(request: SendRequest, runtime: Runtime): Promise<'stored' | 'lost'> {
  return (await xhrSend(request, runtime)) === 'lost' ? 'lost' : 'stored';
}

/** What the store answered to bytes that it took. */
export interface SendAnswer {
  readonly status: number;
  readonly body: string;
  readonly header: (name: string) => string | null;
}

/**
 * As {@link xhrPut}, for whoever needs the answer, by any method.
 *
 * @returns `lost` when every byte was sent and no answer came
 */
export function xhrSend(request: SendRequest, runtime: Runtime): Promise<SendAnswer | 'lost'> {
  const { credential, body, signal, onProgress } = request;
  const { size: sizeBytes } = body;
  const isUnwatched = goesUnwatched(credential, sizeBytes);
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let timer: TimerHandle | undefined;
    let isFullySent = false;
    const startMs = runtime.now();

    const settle = (action: () => void) => {
      if (timer !== undefined) runtime.clearTimer(timer);
      signal.removeEventListener('abort', abort);
      action();
    };
    const fail = (error: UploadError) => settle(() => reject(error));
    const abort = () => {
      settle(() => reject(new UploadError('cancelled', 'The upload was cancelled.')));
      xhr.abort();
    };
    const watch = (stallMs: number) => {
      if (timer !== undefined) runtime.clearTimer(timer);
      timer = runtime.setTimer(() => {
        const seconds = Math.round(stallMs / 1_000);
        const message = isUnwatched
          ? `There was no answer for ${seconds} s.`
          : `No byte was sent for ${seconds} s.`;
        // After the last byte the store may have stored it: that is to be found out, not repeated.
        settle(() => {
          if (isFullySent) resolve('lost');
          else reject(new UploadError('stalled', message));
        });
        xhr.abort();
      }, stallMs);
    };

    const sentAll = () => {
      if (isFullySent) return;
      isFullySent = true;
      onProgress(sizeBytes);
      watch(ANSWER_STALL_MS + bufferedMs(sizeBytes, runtime.now() - startMs));
    };

    if (!isUnwatched) {
      xhr.upload.onprogress = ({ loaded }) => {
        // Firefox says `load` only when the answer begins.
        if (loaded >= sizeBytes) return sentAll();
        onProgress(loaded);
        watch(SENDING_STALL_MS);
      };
      xhr.upload.onload = sentAll;
    }
    const noAnswer = () => {
      if (isFullySent) return settle(() => resolve('lost'));
      fail(new UploadError('network_failed', 'The connection to the store failed.'));
    };
    xhr.onload = () => {
      const { status, responseText } = xhr;
      // What Firefox says of a store on the page's own origin that closed the connection instead.
      if (status === 0) return noAnswer();
      if (isIntercepted(xhr, credential.uploadUrl)) {
        const message = 'Something between this page and the store answered in its place.';
        return fail(new UploadError('intercepted', message, { status }));
      }
      const header = (name: string) => xhr.getResponseHeader(name);
      if (status >= 200 && status < 300) {
        sentAll();
        return settle(() => resolve({ status, body: responseText, header }));
      }
      fail(toAnswerError({ status, body: responseText, header }, runtime.epochNow()));
    };
    xhr.onerror = noAnswer;

    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    xhr.open(credential.method, credential.uploadUrl);
    xhr.withCredentials = request.withCredentials ?? false;
    for (const [name, value] of Object.entries(credential.headers)) {
      xhr.setRequestHeader(name, value);
    }
    const unwatchedMs = isUnwatched ? ANSWER_STALL_MS + sizeBytes / SLOWEST_BYTES_PER_MS : 0;
    watch(SENDING_STALL_MS + sizeBytes / SLOWEST_COPY_BYTES_PER_MS + unwatchedMs);
    // Of a file that has grown Firefox sends all there is, past the announced length, and then shows a broken
    // connection in place of the store's answer. A slice ends where it should. Chromium needs none: there it
    // takes the long way through the browser's own process, and 0.2 to 0.7 ms of the page (bench/compare).
    const whole = isChromium() ? body : body.slice(0, sizeBytes, body.type);
    xhr.send(credential.fields ? formOf(credential.fields, whole) : whole);
  });
}

/**
 * A captive portal answers 200 with a page of its own, or redirects to it, which XHR follows.
 */
function isIntercepted(
  { status, responseText, responseURL }: XMLHttpRequest,
  url: string,
): boolean {
  if (status < 200 || status >= 300) return false;
  const isThere = responseURL === url || responseURL === '';
  if (!isThere && responseURL !== new URL(url, location.href).href) return true;
  return isHtmlPage(responseText);
}

/** How long what the system still holds may take, at the speed of what must have left before it. */
function bufferedMs(sizeBytes: number, sendingMs: number): number {
  const leftBytes = sizeBytes - BUFFERED_BYTES;
  const seenPerMs = leftBytes > 0 ? leftBytes / Math.max(sendingMs, 1) : 0;
  return Math.min(sizeBytes, BUFFERED_BYTES) / Math.max(seenPerMs, SLOWEST_BYTES_PER_MS);
}
