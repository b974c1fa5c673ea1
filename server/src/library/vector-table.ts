/** Vectors of one length, side by side in one buffer: comparing them all is one pass over memory. */
export interface VectorTable {
  readonly size: number;
  /** What it takes, about. */
  readonly bytes: number;
  /** Adds or replaces. A vector of another length than the first one is left out. */
  set(id: string, vector: Float32Array): void;
  delete(id: string): void;
  clear(): void;
  /** Gives the dot product with each of the rows `from` to `to` (not included). */
  compare(
    vector: Float32Array,
    from: number,
    to: number,
    each: (score: number, id: () => string) => void,
  ): void;
}

const FIRST_ROWS = 64;
/** An id in the list and in the map, as measured. */
const ID_BYTES = 150;

export function vectorTable(): VectorTable {
  let dimensions = 0;
  let data = new Float32Array(0);
  const ids: string[] = [];
  const rowOf = new Map<string, number>();

  const room = (rows: number) => {
    if (rows * dimensions <= data.length) return;
    // Half as much again: a copy now and then, little of it unused.
    const capacity = Math.max(FIRST_ROWS, rows + (rows >> 1));
    const grown = new Float32Array(capacity * dimensions);
    grown.set(data);
    data = grown;
  };

  return {
    get size() {
      return ids.length;
    },
    get bytes() {
      return data.byteLength + ids.length * ID_BYTES;
    },
    set(id, vector) {
      if (ids.length === 0) dimensions = vector.length;
      if (vector.length !== dimensions) return;
      const row = rowOf.get(id) ?? ids.length;
      room(row + 1);
      data.set(vector, row * dimensions);
      if (row < ids.length) return;
      ids.push(id);
      rowOf.set(id, row);
    },
    delete(id) {
      const row = rowOf.get(id);
      const last = ids.pop();
      if (row === undefined || last === undefined) {
        if (last !== undefined) ids.push(last);
        return;
      }
      rowOf.delete(id);
      if (last === id) return;
      // The last row takes its place.
      ids[row] = last;
      rowOf.set(last, row);
      data.copyWithin(row * dimensions, ids.length * dimensions, (ids.length + 1) * dimensions);
    },
    clear() {
      data = new Float32Array(0);
      ids.length = 0;
      rowOf.clear();
    },
    compare(vector, from, to, each) {
      if (vector.length !== dimensions) return;
      const end = Math.min(to, ids.length);
      for (let row = from; row < end; row++) {
        each(dot(data, row * dimensions, vector), () => ids[row] ?? '');
      }
    },
  };
}

/** Four sums side by side: a single one would wait for itself at every step. */
function dot(data: Float32Array, offset: number, vector: Float32Array): number {
  const { length } = vector;
  const whole = length - (length % 4);
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let i = 0; i < whole; i += 4) {
    const at = offset + i;
    a += (data[at] as number) * (vector[i] as number);
    b += (data[at + 1] as number) * (vector[i + 1] as number);
    c += (data[at + 2] as number) * (vector[i + 2] as number);
    d += (data[at + 3] as number) * (vector[i + 3] as number);
  }
  for (let i = whole; i < length; i++) {
    a += (data[offset + i] as number) * (vector[i] as number);
  }
  return a + b + c + d;
}
