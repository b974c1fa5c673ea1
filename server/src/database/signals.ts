/**
 * Messages between all processes of one database (LISTEN/NOTIFY). Nothing is kept: who was not
 * listening missed them, and is told so by `onReconnect`.
 */
export interface Signals {
  /** `payload` has at most 7,999 bytes, PostgreSQL's own limit. */
  send(channel: string, payload: string): Promise<void>;
  /**
   * Hears every message from now on, those of this process too.
   *
   * @param onReconnect the connection was lost and is back: messages may be missing
   * @returns what ends it
   */
  listen(
    channel: string,
    onMessage: (payload: string) => void,
    onReconnect?: () => void,
  ): Promise<() => Promise<void>>;
}
