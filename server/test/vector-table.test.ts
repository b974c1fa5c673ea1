import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTopList } from '../src/library/top-list.ts';
import { vectorTable } from '../src/library/vector-table.ts';

const small = fc.float({ min: -1, max: 1, noNaN: true });

describe('a table of vectors', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const vector = fc.array(small, { minLength: 5, maxLength: 5 });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), id, vector }),
    fc.record({ kind: fc.constant('delete' as const), id }),
    fc.record({ kind: fc.constant('clear' as const) }),
  );

  it('holds what a map would hold, after any sets, replacements and deletions', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), vector, (steps, target) => {
        const table = vectorTable();
        const model = new Map<string, number[]>();
        for (const each of steps) {
          if (each.kind === 'set') {
            table.set(each.id, Float32Array.from(each.vector));
            model.set(each.id, each.vector);
          } else if (each.kind === 'delete') {
            table.delete(each.id);
            model.delete(each.id);
          } else {
            table.clear();
            model.clear();
          }
        }
        const found = new Map<string, number>();
        table.compare(Float32Array.from(target), 0, 100, (score, of) => found.set(of(), score));
        expect(table.size).toBe(model.size);
        expect([...found.keys()].sort()).toEqual([...model.keys()].sort());
        for (const [key, values] of model) {
          const dot = values.reduce((sum, x, i) => sum + x * (target[i] ?? 0), 0);
          expect(found.get(key)).toBeCloseTo(dot, 4);
        }
      }),
    );
  });

  it('leaves out vectors of another length, and compares with none', () => {
    const table = vectorTable();
    table.set('a', Float32Array.of(1, 2));
    table.set('b', Float32Array.of(1, 2, 3));
    expect(table.size).toBe(1);
    const scores: number[] = [];
    table.compare(Float32Array.of(1, 2, 3), 0, 10, (score) => scores.push(score));
    expect(scores).toEqual([]);
  });
});

describe('a top list', () => {
  it('is the start of the sorted whole', () => {
    fc.assert(
      fc.property(fc.array(small), fc.integer({ min: 1, max: 20 }), (scores, limit) => {
        const top = createTopList<number>(limit);
        for (const [i, score] of scores.entries()) top.add(score, () => i);
        const expected = scores.toSorted((a, b) => b - a).slice(0, limit);
        expect(top.items().map(({ score }) => score)).toEqual(expected);
        for (const { score, item } of top.items()) expect(scores[item]).toBe(score);
      }),
    );
  });
});
