/** How long the main thread was busy without a break. */
export interface TaskTimes {
  /**
   * Longest time between two turns of a message channel. Sees tasks of any length; an upper bound,
   * because it may hold two tasks, or a pause of the whole process.
   */
  readonly longestGapMs: number;
  /** Longest task over 50 ms, as the browser reports it; 0 when there was none. */
  readonly longestTaskMs: number;
  readonly tasksOver50Ms: number;
}

/** The browser reports a long task some time after its end. */
const REPORT_DELAY_MS = 60;

/**
 * Watches the main thread until the returned function is called. The channel takes a turn whenever
 * nothing else does: unlike timers, messages are not held back to 4 ms.
 */
export function watchTasks(): () => Promise<TaskTimes> {
  const durations: number[] = [];
  const take = (entries: PerformanceEntryList) => {
    for (const { duration } of entries) durations.push(duration);
  };
  const observer = new PerformanceObserver((list) => take(list.getEntries()));
  observer.observe({ type: 'longtask' });

  const { port1, port2 } = new MessageChannel();
  let lastTurnMs = performance.now();
  let longestGapMs = 0;
  let onStopped: (() => void) | undefined;
  port1.onmessage = () => {
    const nowMs = performance.now();
    longestGapMs = Math.max(longestGapMs, nowMs - lastTurnMs);
    lastTurnMs = nowMs;
    if (onStopped) onStopped();
    else port2.postMessage(null);
  };
  port2.postMessage(null);

  return async () => {
    // One more turn: what called this may itself be a long task.
    await new Promise<void>((resolve) => {
      onStopped = resolve;
    });
    port1.close();
    await new Promise((resolve) => setTimeout(resolve, REPORT_DELAY_MS));
    take(observer.takeRecords());
    observer.disconnect();
    const longestTaskMs = Math.max(0, ...durations);
    return { longestGapMs, longestTaskMs, tasksOver50Ms: durations.length };
  };
}
