import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/hashing/byte-budget.ts';

const { signal } = new AbortController();
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a byte budget', () => {
  it('lets in what fits, and the next when something was given back', async () => {
    const budget = new ByteBudget(100);
    const first = await budget.take(70, signal);
    let isIn = false;
    const second = budget.take(50, signal).then((giveBack) => {
      isIn = true;
      return giveBack;
    });
    await turn();
    expect(isIn).toBe(false);
    first();
    (await second)();
    expect(budget.usedBytes).toBe(0);
  });

  it('keeps the order: a large file is not passed by small ones for ever', async () => {
    const budget = new ByteBudget(100);
    const order: string[] = [];
    const first = await budget.take(60, signal);
    const take = async (name: string, bytes: number) => {
      const giveBack = await budget.take(bytes, signal);
      order.push(name);
      return giveBack;
    };
    const large = take('large', 100);
    const small = take('small', 1);
    await turn();
    expect(order).toEqual([]);
    first();
    (await large)();
    await small;
    expect(order).toEqual(['large', 'small']);
  });

  it('lets what is larger than all of it go alone', async () => {
    const budget = new ByteBudget(100);
    const giveBack = await budget.take(1_000, signal);
    expect(budget.usedBytes).toBe(100);
    giveBack();
    giveBack();
    expect(budget.usedBytes).toBe(0);
  });

  it('forgets who was cancelled, and lets in who stood behind', async () => {
    const budget = new ByteBudget(100);
    await budget.take(60, signal);
    const controller = new AbortController();
    const cancelled = budget.take(100, controller.signal);
    const behind = budget.take(40, signal);
    controller.abort(new Error('enough'));
    await expect(cancelled).rejects.toThrow('enough');
    await behind;
    expect(budget.usedBytes).toBe(100);
    await expect(budget.take(1, AbortSignal.abort())).rejects.toThrow();
  });

  it('never gives more than it has, and gives everybody something in the end', async () => {
    const ask = fc.record({
      bytes: fc.integer({ min: 0, max: 150 }),
      turns: fc.integer({ min: 0, max: 5 }),
      isCancelled: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(ask, { maxLength: 30 }), async (asks) => {
        const budget = new ByteBudget(100);
        let most = 0;
        const outcomes = await Promise.allSettled(
          asks.map(async ({ bytes, turns, isCancelled }) => {
            const controller = new AbortController();
            const taking = budget.take(bytes, controller.signal);
            if (isCancelled) controller.abort();
            const giveBack = await taking;
            most = Math.max(most, budget.usedBytes);
            for (let count = 0; count < turns; count += 1) await Promise.resolve();
            giveBack();
          }),
        );
        expect(outcomes).toHaveLength(asks.length);
        expect(most).toBeLessThanOrEqual(100);
        expect(budget.usedBytes).toBe(0);
      }),
    );
  });
});
