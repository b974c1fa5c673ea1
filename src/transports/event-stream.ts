import { processingEventSchema } from '../protocol/index.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { WatchListener } from './adapter.ts';
import { parseJson } from './parse-json.ts';

/** A closed stream (the server said 4xx or 5xx) is opened anew after so long; it doubles. */
const FIRST_REOPEN_MS = 2_000;
const LONGEST_REOPEN_MS = 60_000;

/**
 * Follows the server's event stream until the returned function is called. The browser reconnects by
 * itself, with Last-Event-ID; where it gives up, the stream is opened anew and the caller catches up.
 */
export function followEvents(
  url: string,
  withCredentials: boolean,
  listener: WatchListener,
  runtime: Runtime,
): () => void {
  let source: EventSource | undefined;
  let timer: TimerHandle | undefined;
  let reopenMs = FIRST_REOPEN_MS;

  const open = () => {
    source = new EventSource(url, { withCredentials });
    source.onopen = () => {
      reopenMs = FIRST_REOPEN_MS;
      listener.onConnected('stream');
    };
    source.onmessage = ({ data }) => {
      const event = processingEventSchema.safeParse(parseJson(String(data)));
      // An event of a newer server that this client does not know is no failure.
      if (!event.success) return;
      if (event.data.type === 'progress') listener.onStats(event.data.stats);
      else listener.onChanges(event.data.changes);
    };
    source.onerror = () => {
      listener.onDisconnected();
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = runtime.setTimer(open, reopenMs);
      reopenMs = Math.min(reopenMs * 2, LONGEST_REOPEN_MS);
    };
  };

  open();
  return () => {
    if (timer !== undefined) runtime.clearTimer(timer);
    source?.close();
  };
}
