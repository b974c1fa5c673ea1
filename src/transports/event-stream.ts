import type { Stats } from '../protocol/index.ts';
import { processingEventSchema } from '../protocol/index.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { WatchListener } from './adapter.ts';
import { parseJson } from './parse-json.ts';

/** So many failures in a row, and the stream is taken for something that this network does not let through. */
const FAILURES_TO_POLL = 3;
const POLL_EVERY_MS = 3_000;
/** A closed stream (the server said 4xx or 5xx) is opened anew after so long; it doubles. */
const FIRST_REOPEN_MS = 1_000;
const LONGEST_REOPEN_MS = 60_000;
/** A stream that says nothing, not even its heartbeat, is dead: some proxies never close. */
const SILENCE_MS = 45_000;

export interface EventStreamOptions {
  readonly url: string;
  readonly withCredentials: boolean;
  readonly listener: WatchListener;
  readonly runtime: Runtime;
  /** The same counts by another way, while there is no stream. */
  readonly pollStats: () => Promise<Stats>;
}

/**
 * Follows the server's event stream until the returned function is called. The browser reconnects by
 * itself, with Last-Event-ID; where it gives up, the stream is opened anew. After three failures in a row
 * the listener is told to poll, and the stream is tried again now and then.
 */
export function followEvents(options: EventStreamOptions): () => void {
  const { url, withCredentials, listener, runtime, pollStats } = options;
  let source: EventSource | undefined;
  let reopenTimer: TimerHandle | undefined;
  let pollTimer: TimerHandle | undefined;
  let silenceTimer: TimerHandle | undefined;
  let reopenMs = FIRST_REOPEN_MS;
  let failures = 0;
  let isPolling = false;
  let isStopped = false;

  const clear = (timer: TimerHandle | undefined) => {
    if (timer !== undefined) runtime.clearTimer(timer);
  };

  const watchSilence = () => {
    clear(silenceTimer);
    silenceTimer = runtime.setTimer(() => {
      source?.close();
      failed();
    }, SILENCE_MS);
  };

  const open = () => {
    reopenTimer = undefined;
    if (isStopped) return;
    source = new EventSource(url, { withCredentials });
    source.onopen = () => {
      failures = 0;
      reopenMs = FIRST_REOPEN_MS;
      isPolling = false;
      clear(pollTimer);
      watchSilence();
      listener.onConnected('stream');
    };
    source.addEventListener('heartbeat', watchSilence);
    source.onmessage = ({ data }) => {
      watchSilence();
      const event = processingEventSchema.safeParse(parseJson(String(data)));
      // An event of a newer server that this client does not know is no failure.
      if (!event.success) return;
      if (event.data.type === 'progress') listener.onStats(event.data.stats);
      else listener.onChanges(event.data.changes);
    };
    source.onerror = () => {
      clear(silenceTimer);
      if (source?.readyState === EventSource.CLOSED) failed();
      else countFailure();
    };
  };

  /** The browser will not reconnect by itself. */
  const failed = () => {
    countFailure();
    if (isStopped || reopenTimer !== undefined) return;
    reopenTimer = runtime.setTimer(open, reopenMs);
    reopenMs = Math.min(reopenMs * 2, LONGEST_REOPEN_MS);
  };

  const countFailure = () => {
    failures += 1;
    if (isPolling) return;
    listener.onDisconnected();
    if (failures < FAILURES_TO_POLL) return;
    isPolling = true;
    listener.onConnected('polling');
    void poll();
  };

  const poll = async () => {
    try {
      listener.onStats(await pollStats());
    } catch {
      // The server is away as well: the lanes say so, and the next poll tries again.
    }
    if (isPolling && !isStopped) pollTimer = runtime.setTimer(() => void poll(), POLL_EVERY_MS);
  };

  open();
  return () => {
    isStopped = true;
    clear(reopenTimer);
    clear(pollTimer);
    clear(silenceTimer);
    source?.close();
  };
}
