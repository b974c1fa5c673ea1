/**
 * Which of the numbers 0, 1, 2 … are in a set, in order: the k-th member, and how many come before one,
 * in O(log n), as well as putting in and taking out. A Fenwick tree of ones and zeros, which is why a
 * filter over 100,000 rows never has to be listed.
 */
export class RankIndex {
  /** `#tree[i]` counts the members among the `i & -i` numbers that end with i - 1. */
  #tree: Int32Array;
  #members: Uint8Array;
  #size = 0;

  constructor(capacity = 1024) {
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(2, capacity)));
    this.#tree = new Int32Array(rounded + 1);
    this.#members = new Uint8Array(rounded);
  }

  /** How many members there are. */
  get size(): number {
    return this.#size;
  }

  has(value: number): boolean {
    return this.#members[value] === 1;
  }

  add(value: number): void {
    if (this.has(value)) return;
    if (value >= this.#members.length) this.#grow(value + 1);
    this.#members[value] = 1;
    this.#size += 1;
    this.#count(value, 1);
  }

  delete(value: number): void {
    if (!this.has(value)) return;
    this.#members[value] = 0;
    this.#size -= 1;
    this.#count(value, -1);
  }

  /** The member with `rank` members before it; undefined when there is none. */
  at(rank: number): number | undefined {
    if (rank < 0 || rank >= this.#size) return undefined;
    const tree = this.#tree;
    let position = 0;
    let left = rank;
    for (let step = this.#members.length; step > 0; step >>= 1) {
      const next = position + step;
      const inside = tree[next];
      if (inside === undefined || inside > left) continue;
      position = next;
      left -= inside;
    }
    return position;
  }

  /** How many members are smaller than `value`. */
  rankOf(value: number): number {
    let rank = 0;
    const end = Math.min(value, this.#members.length);
    for (let at = end; at > 0; at -= at & -at) rank += this.#tree[at] ?? 0;
    return rank;
  }

  #count(value: number, sign: 1 | -1): void {
    const tree = this.#tree;
    for (let at = value + 1; at < tree.length; at += at & -at) {
      tree[at] = (tree[at] ?? 0) + sign;
    }
  }

  #grow(capacity: number): void {
    const rounded = 2 ** Math.ceil(Math.log2(capacity));
    const members = new Uint8Array(rounded);
    members.set(this.#members);
    const tree = new Int32Array(rounded + 1);
    // Linear: each node hands its sum on to the one that contains it.
    for (let at = 1; at <= rounded; at += 1) {
      const sum = (tree[at] ?? 0) + (members[at - 1] ?? 0);
      tree[at] = sum;
      const parent = at + (at & -at);
      if (parent <= rounded) tree[parent] = (tree[parent] ?? 0) + sum;
    }
    this.#members = members;
    this.#tree = tree;
  }
}
