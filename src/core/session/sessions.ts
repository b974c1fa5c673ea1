import type { SessionInfo } from './session-list.ts';

/** How a resumed session stands. Counts are of files. */
export interface ResumeResult {
  /** Uploads that were brought back, those that are done included. */
  readonly restored: number;
  /** Uploads that are not done. */
  readonly left: number;
  /** Of these, those whose files the person has to select (or drop) again. */
  readonly needsFile: number;
  /** Of these, those that wait for `requestPermission()`. */
  readonly needsPermission: number;
  /**
   * Uploads of which nothing could be brought back: damaged ones, which are gone, and those of another
   * version of this software, which stay for it.
   */
  readonly unreadable: number;
}

/** What earlier pages, and other tabs, began in this browser. A store, as the uploader is one. */
export interface Sessions {
  /** Latest first. Immutable; the same object until something changed. */
  getSnapshot(): readonly SessionInfo[];
  /** @returns the unsubscribe */
  subscribe(listener: () => void): () => void;
  /** Looks again; needed only to see what other tabs have discarded meanwhile. */
  refresh(): Promise<readonly SessionInfo[]>;
  /**
   * Goes on with an interrupted session: the server is asked what it has, and what can be read is sent.
   * For the rest, `add` the same files again, or call `requestPermission()`.
   *
   * @throws SessionError `elsewhere` or `not_found`
   */
  resume(id: string): Promise<ResumeResult>;
  /**
   * Forgets a session. What is stored stays stored; of one that this page works on, the rest is cancelled.
   *
   * @throws SessionError `elsewhere` or `not_found`
   */
  discard(id: string): Promise<void>;
  /**
   * Asks the person to let this page read the folders again that were given to an earlier one: folder by
   * folder, as far as one answer is not good for several. To be called on a click, which browsers insist
   * on.
   *
   * @returns how many uploads go on
   * @throws SessionError `needs_click` when the browser would not ask for want of a click; what was allowed
   *   by then goes on
   */
  requestPermission(): Promise<number>;
}
