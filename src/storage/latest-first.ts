import type { SessionRecord } from './journal.ts';

/** By when they were written last; the id settles ties, so that every journal answers the same. */
export function latestFirst(records: readonly SessionRecord[]): readonly SessionRecord[] {
  return [...records].sort((a, b) => b.updatedMs - a.updatedMs || (a.id < b.id ? -1 : 1));
}
