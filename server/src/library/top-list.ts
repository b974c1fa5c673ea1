/** Keeps the `limit` best of many, in order. Cheap for what does not make it: one comparison. */
export function createTopList<T>(limit: number): {
  add(score: number, item: () => T): void;
  /** Best first. */
  items(): { score: number; item: T }[];
} {
  const best: { score: number; item: T }[] = [];
  let worst = Number.NEGATIVE_INFINITY;
  return {
    add(score, item) {
      if (best.length === limit && !(score > worst)) return;
      let low = 0;
      let high = best.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((best[middle]?.score ?? 0) >= score) low = middle + 1;
        else high = middle;
      }
      best.splice(low, 0, { score, item: item() });
      if (best.length > limit) best.pop();
      if (best.length === limit) worst = best.at(-1)?.score ?? worst;
    },
    items: () => best,
  };
}
