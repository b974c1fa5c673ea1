import { UploadError } from '../errors/upload-error.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { PutOutcome, PutRequest } from './adapter.ts';
import { toAnswerError } from './read-problem.ts';

/** No byte moved for so long: the upload hangs. Slow is fine, as long as it moves. */
const SENDING_STALL_MS = 30_000;
/** All bytes are out and the store is silent. */
const ANSWER_STALL_MS = 60_000;

/**
 * One PUT by XMLHttpRequest, the only way to upload progress in every browser. There is no total
 * timeout: a timer ends what does not move, and nothing else (Firefox never reports the end of a file
 * that was cut off while it was read).
 *
 * @throws UploadError classified; `network_failed` when no answer came
 */
export function xhrPut(request: PutRequest, runtime: Runtime): Promise<PutOutcome> {
  const { credential, body, signal, onProgress } = request;
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let timer: TimerHandle | undefined;
    let isFullySent = false;

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
        // After the last byte the store may have stored it: that is to be found out, not repeated.
        settle(() => {
          if (isFullySent) resolve('lost');
          else reject(new UploadError('stalled', `No byte was sent for ${seconds} s.`));
        });
        xhr.abort();
      }, stallMs);
    };

    xhr.upload.onprogress = ({ loaded }) => {
      onProgress(Math.min(loaded, body.size));
      watch(SENDING_STALL_MS);
    };
    xhr.upload.onload = () => {
      isFullySent = true;
      onProgress(body.size);
      watch(ANSWER_STALL_MS);
    };
    xhr.onload = () => {
      const { status, responseText } = xhr;
      if (status >= 200 && status < 300) return settle(() => resolve('stored'));
      const header = (name: string) => xhr.getResponseHeader(name);
      fail(toAnswerError({ status, body: responseText, header }, runtime.epochNow()));
    };
    xhr.onerror = () => {
      if (isFullySent) return settle(() => resolve('lost'));
      fail(new UploadError('network_failed', 'The connection to the store failed.'));
    };

    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    xhr.open(credential.method, credential.uploadUrl);
    for (const [name, value] of Object.entries(credential.headers)) {
      xhr.setRequestHeader(name, value);
    }
    watch(SENDING_STALL_MS);
    xhr.send(body);
  });
}
