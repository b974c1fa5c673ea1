import { type Runtime, systemRuntime, type TimerHandle } from '../../src/runtime/runtime.ts';

/** The browser's runtime on a clock whose pace a test changes as it goes. */
export interface PacedRuntime extends Runtime {
  /** How many seconds pass in one from now on, also for timers that run already. */
  setPace(times: number): void;
}

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
  handle: TimerHandle;
}

export function pacedRuntime(times: number): PacedRuntime {
  const system = systemRuntime();
  const timers = new Map<TimerHandle, Timer>();
  let pace = times;
  let sinceMs = system.now();
  let atMs = sinceMs;
  let nextId = 1;
  const now = () => atMs + (system.now() - sinceMs) * pace;
  const arm = (id: TimerHandle, dueMs: number, callback: () => void) => {
    const run = () => {
      timers.delete(id);
      callback();
    };
    const handle = system.setTimer(run, Math.max(0, dueMs - now()) / pace);
    timers.set(id, { dueMs, callback, handle });
  };
  return {
    ...system,
    now,
    setTimer(callback, delayMs) {
      const id = nextId++ as unknown as TimerHandle;
      arm(id, now() + delayMs, callback);
      return id;
    },
    clearTimer(id) {
      const timer = timers.get(id);
      if (timer) system.clearTimer(timer.handle);
      timers.delete(id);
    },
    setPace(next) {
      atMs = now();
      sinceMs = system.now();
      pace = next;
      for (const [id, { dueMs, callback, handle }] of timers) {
        system.clearTimer(handle);
        arm(id, dueMs, callback);
      }
    },
  };
}
