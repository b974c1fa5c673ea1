/**
 * Why a stream was ended by the server: nothing happened for long, the session it was opened with is over,
 * the server stops, or the stream could not be opened after all.
 */
export type StreamEnd = 'idle' | 'session-ended' | 'restart' | 'failed';

/** One reader of one user's events, however they reach it. */
export interface EventSink {
  readonly transport: 'sse' | 'websocket';
  /** False while the reader is too far behind: it gets what it missed when it has caught up. */
  readonly canSend: boolean;
  /** @param json one `ProcessingEvent`; `id` is what the reader resumes from */
  send(json: string, id: number): void;
  /** Keeps proxies from closing the connection; no sign of activity. */
  heartbeat(): void;
  close(end: StreamEnd): void;
}

export interface SinkHandlers {
  /** The reader has caught up after `canSend` was false. */
  onDrain(): void;
  /** Once, however the stream ends. */
  onClose(): void;
}

/** Bytes a slow reader may be behind before its stream is passed over until it has caught up. */
export const MAX_BUFFERED_BYTES = 256 * 1024;
