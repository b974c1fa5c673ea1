import { describe, expect, it } from 'vitest';
import { readBytes } from '../../src/hashing/read-bytes.ts';
import { toReadError } from '../../src/hashing/read-error.ts';
import { StallTimer } from '../../src/hashing/stall-timer.ts';
import { HangingFile, type ReadFate } from '../support/hash-hanging-file.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const SIZE = 10_000_000;
/** Chromium, of a file that changed. */
const notReadable = new DOMException('changed', 'NotReadableError');
const notFound = new DOMException('gone', 'NotFoundError');
/** Firefox, of a file that was deleted. */
const aborted = new DOMException('The operation was aborted.', 'AbortError');

type Fates = { whole?: ReadFate; first?: ReadFate; last?: ReadFate };

function world({ whole = 'reads', first = 'reads', last = 'reads' }: Fates) {
  const runtime = new VirtualRuntime();
  const controller = new AbortController();
  const file = new HangingFile({
    sizeBytes: SIZE,
    fate: (from, to) => (to - from > 1 ? whole : from === 0 ? first : last),
  });
  let outcome: unknown;
  const reading = readBytes(file, file, { runtime, signal: controller.signal }).then(
    (bytes) => (outcome = bytes.byteLength),
    (cause: unknown) => (outcome = toReadError(cause, controller.signal)),
  );
  return { runtime, controller, reading, outcome: () => outcome };
}

/** Counts timers that were set and cleared. */
function timedWorld() {
  const runtime = new VirtualRuntime();
  const timers = { set: 0, cleared: 0 };
  const { setTimer, clearTimer } = runtime;
  runtime.setTimer = (callback, delayMs) => {
    timers.set += 1;
    return setTimer.call(runtime, callback, delayMs);
  };
  runtime.clearTimer = (timer) => {
    timers.cleared += 1;
    clearTimer.call(runtime, timer);
  };
  return { runtime, timers, signal: new AbortController().signal };
}

describe('reading a file', () => {
  it('gives its bytes, and leaves no timer behind', async () => {
    const { runtime, signal, timers } = timedWorld();
    const file = new HangingFile({ sizeBytes: SIZE, fate: () => 'reads' });
    expect((await readBytes(file, file, { runtime, signal })).byteLength).toBe(SIZE);
    expect(timers).toEqual({ set: 1, cleared: 1 });
  });

  it('waits half a minute, and a second more for each megabyte', async () => {
    const { runtime, outcome } = world({ whole: 'hangs', last: 'hangs' });
    await runtime.advance(30_000 + SIZE / 1_000 - 1);
    expect(outcome()).toBeUndefined();
    await runtime.advance(10_001);
    expect(outcome()).toMatchObject({ code: 'file_changed' });
  });

  it.each<[string, Fates, string]>([
    ['both ends are there', {}, 'hashing_failed'],
    ['its end is missing', { last: 0 }, 'file_changed'],
    ['its end hangs too', { last: 'hangs' }, 'file_changed'],
    ['its end cannot be read', { last: notReadable }, 'file_changed'],
    ['its beginning is missing', { first: 0 }, 'file_unreadable'],
    ['its beginning cannot be read', { first: notReadable }, 'file_changed'],
    ['it was deleted, in Firefox', { first: aborted }, 'file_unreadable'],
    ['nothing of it answers', { first: 'hangs' }, 'hashing_failed'],
  ])('that hangs says what its ends tell: %s', async (_name, fates, code) => {
    const { runtime, outcome } = world({ ...fates, whole: 'hangs' });
    await runtime.advance(120_000, () => outcome() !== undefined);
    expect(outcome()).toMatchObject({ code });
  });

  it.each<[string, Fates, string]>([
    ['was cut off, in Firefox', { whole: SIZE / 2, last: 0 }, 'file_changed'],
    ['has grown, in Firefox', { whole: SIZE + 4 }, 'file_changed'],
    ['was deleted, in Chromium', { whole: 0, first: 0, last: 0 }, 'file_unreadable'],
    ['was edited, in Chromium', { whole: notReadable }, 'file_changed'],
    ['was deleted, in either', { whole: notFound }, 'file_unreadable'],
    ['was deleted, in Firefox', { whole: aborted }, 'file_unreadable'],
  ])('never takes other bytes for those of a file that %s', async (_name, fates, code) => {
    const { reading, outcome } = world(fates);
    await reading;
    expect(outcome()).toMatchObject({ code });
  });

  it('ends at once when it is cancelled, however the drive hangs', async () => {
    const { controller, reading, outcome } = world({ whole: 'hangs' });
    controller.abort();
    await reading;
    expect(outcome()).toMatchObject({ code: 'cancelled' });
  });

  it('ends at once when it is cancelled while it looks at the ends', async () => {
    const { runtime, controller, reading, outcome } = world({ whole: 'hangs', last: 'hangs' });
    await runtime.advance(30_000 + SIZE / 1_000 + 1);
    controller.abort();
    await reading;
    expect(outcome()).toMatchObject({ code: 'cancelled' });
  });
});

describe('a stall timer', () => {
  function timer() {
    const runtime = new VirtualRuntime();
    const stalls: number[] = [];
    return { runtime, stalls, timer: new StallTimer(runtime, 30_000, () => stalls.push(1)) };
  }

  it('counts from what moved last, and calls once', async () => {
    const { runtime, stalls, timer: stall } = timer();
    stall.restart();
    await runtime.advance(29_000);
    stall.restart();
    await runtime.advance(29_999);
    expect(stalls).toHaveLength(0);
    await runtime.advance(120_000);
    expect(stalls).toHaveLength(1);
  });

  it('waits once more after a sleep: what it waits for slept as well', async () => {
    const { runtime, stalls, timer: stall } = timer();
    stall.restart();
    runtime.oversleep(3_600_000);
    await runtime.advance(29_999);
    expect(stalls).toHaveLength(0);
    await runtime.advance(2);
    expect(stalls).toHaveLength(1);
  });

  it('finds a stall in a hidden page, whose timers are always late', async () => {
    const { runtime, stalls, timer: stall } = timer();
    stall.restart();
    for (let minute = 0; minute < 3; minute += 1) runtime.oversleep(60_000);
    await runtime.advance(1);
    runtime.oversleep(60_000);
    await runtime.advance(1);
    expect(stalls).toHaveLength(1);
  });

  it('is quiet once it was stopped', async () => {
    const { runtime, stalls, timer: stall } = timer();
    stall.restart();
    stall.stop();
    await runtime.advance(3_600_000);
    expect(stalls).toHaveLength(0);
  });
});
