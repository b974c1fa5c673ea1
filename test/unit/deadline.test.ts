import { expect, it } from 'vitest';
import { Deadline } from '../../src/runtime/deadline.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

function world() {
  const runtime = new VirtualRuntime();
  const calls: number[] = [];
  const startMs = runtime.now();
  const deadline = new Deadline(runtime, () => calls.push(runtime.now() - startMs));
  let timers = 0;
  const { setTimer } = runtime;
  runtime.setTimer = (callback, delayMs) => {
    timers += 1;
    return setTimer.call(runtime, callback, delayMs);
  };
  return { runtime, calls, deadline, timers: () => timers };
}

it('calls back once, so long after it was last put off', async () => {
  const { runtime, calls, deadline, timers } = world();
  for (let step = 0; step < 90; step += 1) {
    deadline.set(1_000);
    await runtime.advance(10);
  }
  expect(timers()).toBe(1);
  await runtime.advance(5_000);
  expect(calls).toEqual([1_890]);
});

it('may be brought forward', async () => {
  const { runtime, calls, deadline } = world();
  deadline.set(60_000);
  deadline.set(100);
  await runtime.advance(100_000);
  expect(calls).toEqual([100]);
});

it('does not call back after it was cleared, and does when it is set anew', async () => {
  const { runtime, calls, deadline } = world();
  deadline.set(100);
  deadline.clear();
  await runtime.advance(1_000);
  expect(calls).toEqual([]);
  deadline.set(100);
  await runtime.advance(1_000);
  expect(calls).toEqual([1_100]);
});
