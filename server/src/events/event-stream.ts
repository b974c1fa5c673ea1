import { type EventSink, MAX_BUFFERED_BYTES, type SinkHandlers } from './event-sink.ts';

const encoder = new TextEncoder();

/** One open `text/event-stream` answer (WHATWG HTML, "Server-sent events"). */
export interface EventStream extends EventSink {
  readonly body: ReadableStream<Uint8Array>;
}

export interface EventStreamOptions {
  /** How long a browser waits before it connects again. */
  retryMs: number;
  /** The same, said when the server stops: different for each stream, so that not all come at once. */
  restartRetryMs: () => number;
}

export function createEventStream(
  { retryMs, restartRetryMs }: EventStreamOptions,
  handlers: SinkHandlers,
): EventStream {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let isBehind = false;
  const finish = () => {
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
      cancel: finish,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_BUFFERED_BYTES }),
  );
  const write = (text: string) => {
    controller?.enqueue(encoder.encode(text));
    if ((controller?.desiredSize ?? 1) <= 0) isBehind = true;
  };
  return {
    transport: 'sse',
    body,
    get canSend() {
      return controller !== undefined && !isBehind;
    },
    send(json, id) {
      // JSON has no raw line break: one data line is enough.
      write(`id: ${id}\ndata: ${json}\n\n`);
    },
    heartbeat() {
      // Bytes that wait already keep the connection as alive as this would.
      // An event of its own, not a comment: a page hears it, and knows that the stream lives.
      if (!isBehind) write('event: heartbeat\ndata:\n\n');
    },
    close(end) {
      if (end === 'restart' && !isBehind) write(`retry: ${Math.round(restartRetryMs())}\n\n`);
      try {
        controller?.close();
      } catch {
        // The reader cancelled in this very moment.
      }
      finish();
    },
  };
}
