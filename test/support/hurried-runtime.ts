import { type Runtime, systemRuntime } from '../../src/runtime/runtime.ts';

export interface HurriedRuntimeOptions {
  /** How many seconds pass in one. Default 20. */
  readonly times?: number;
  /** How wrong the wall clock is. Default 0. */
  readonly skewMs?: number;
}

/** The browser's runtime with a clock that runs faster, may be wrong, and can be told to jump. */
export interface HurriedRuntime extends Runtime {
  /** What nobody could receive. */
  readonly errors: unknown[];
  /** The wall clock moves on and the monotonic one does not: a laptop slept. */
  jump(byMs: number): void;
  /** What the browser is to believe, and to say. */
  setOnline(isOnline: boolean): void;
}

/** Backoffs, pauses and stall timers end sooner, in proportion; requests take as long as they take. */
export function hurriedRuntime(options: HurriedRuntimeOptions = {}): HurriedRuntime {
  const { times = 20, skewMs = 0 } = options;
  const system = systemRuntime();
  const startMs = system.now();
  const startEpochMs = system.epochNow();
  const errors: unknown[] = [];
  const callbacks = new Set<() => void>();
  let jumpedMs = skewMs;
  let isOnline = true;
  const elapsed = () => (system.now() - startMs) * times;
  return {
    ...system,
    errors,
    now: () => startMs + elapsed(),
    epochNow: () => startEpochMs + elapsed() + jumpedMs,
    setTimer: (callback, delayMs) => system.setTimer(callback, delayMs / times),
    isOnline: () => isOnline,
    onConnectivityChange(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    reportError: (error) => void errors.push(error),
    jump(byMs) {
      jumpedMs += byMs;
      for (const callback of callbacks) callback();
    },
    setOnline(next) {
      isOnline = next;
      for (const callback of callbacks) callback();
    },
  };
}
