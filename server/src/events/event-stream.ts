import type { ProcessingEvent } from 'bulkhead/protocol';

const encoder = new TextEncoder();

/** Bytes a slow reader may be behind before its stream is passed over until it has caught up. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** One open `text/event-stream` answer (WHATWG HTML, "Server-sent events"). */
export interface EventStream {
  readonly body: ReadableStream<Uint8Array>;
  /** The version of the last change this stream has been sent. */
  version: number;
  /** False while the reader is too far behind: it gets what it missed when it has caught up. */
  readonly canSend: boolean;
  send(event: ProcessingEvent, id?: number): void;
  /** Keeps proxies from closing the connection; no sign of activity. */
  heartbeat(): void;
  close(): void;
}

export interface EventStreamHandlers {
  /** The reader has caught up after `canSend` was false. */
  onDrain(): void;
  /** Once, however the stream ends. */
  onClose(): void;
}

/** @param retryMs how long a browser waits before it connects again. */
export function createEventStream(
  version: number,
  retryMs: number,
  handlers: EventStreamHandlers,
): EventStream {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let isBehind = false;
  const end = () => {
    if (!controller) return;
    controller = undefined;
    handlers.onClose();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(started) {
        controller = started;
        started.enqueue(encoder.encode(`retry: ${retryMs}\n\n`));
      },
      pull() {
        if (!isBehind) return;
        isBehind = false;
        handlers.onDrain();
      },
      cancel: end,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_BUFFERED_BYTES }),
  );
  const write = (text: string) => {
    controller?.enqueue(encoder.encode(text));
    if ((controller?.desiredSize ?? 1) <= 0) isBehind = true;
  };
  return {
    body,
    version,
    get canSend() {
      return controller !== undefined && !isBehind;
    },
    send(event, id) {
      // JSON has no raw line break: one data line is enough.
      write(`${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(event)}\n\n`);
    },
    heartbeat() {
      // An event of its own, not a comment: a page hears it, and knows that the stream lives.
      write('event: heartbeat\ndata:\n\n');
    },
    close() {
      try {
        controller?.close();
      } catch {
        // The reader cancelled in this very moment.
      }
      end();
    },
  };
}
