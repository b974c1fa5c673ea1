/** Lets go of a session: others can have it a moment later. Calling it again does nothing. */
export type Release = () => void;

/**
 * Who owns a session: one tab at a time, until it lets go or dies. Every implementation passes
 * `describeSessionLocks`. Who asks for what it holds itself is told no, like anybody else.
 */
export interface SessionLocks {
  /**
   * @param onLost called when the session was taken from this tab all the same, so that it must leave it
   *   alone: without Web Locks that happens to a page that was frozen
   * @returns null when somebody has it already
   */
  hold(sessionId: string, onLost?: () => void): Promise<Release | null>;
  /**
   * Waits until nobody has the session, then holds it.
   *
   * @throws the signal's reason, once it is aborted
   */
  whenFree(sessionId: string, signal: AbortSignal, onLost?: () => void): Promise<Release>;
  /** The sessions that any tab of this origin holds, this one included. */
  held(): Promise<ReadonlySet<string>>;
}

/** What keeps the locks of a database apart from whatever else the origin has. */
export const lockPrefix = (databaseName: string): string => `bulkhead:${databaseName}:`;
