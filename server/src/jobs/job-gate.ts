/** Decides how many jobs a loop may fetch: so that a queue is left alone until they can be done. */
export interface JobGate {
  /** How many of `wanted` may be fetched; when 0, to be asked again after `waitMs`. */
  admit(wanted: number): Promise<{ permits: number; waitMs: number }>;
  /** So many were admitted, and there were no jobs for them. */
  giveBack(permits: number): void;
}
