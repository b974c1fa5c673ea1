/** Told after every commit that changed assets; tells whoever watches those users. */
export interface ChangeFeed {
  changed(userIds: Iterable<string>): void;
}
