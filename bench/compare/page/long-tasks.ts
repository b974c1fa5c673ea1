import type { PageMeasure } from './page-bench.ts';

/** The browser reports a long task some time after its end. */
const REPORT_DELAY_MS = 60;

/** Tasks over 50 ms until the returned function is called. Costs the page nothing while there are none. */
export function watchLongTasks(): () => Promise<Omit<PageMeasure, 'totalMs'>> {
  const durations: number[] = [];
  const take = (entries: PerformanceEntryList) => {
    for (const { duration } of entries) durations.push(duration);
  };
  const observer = new PerformanceObserver((list) => take(list.getEntries()));
  observer.observe({ type: 'longtask' });
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, REPORT_DELAY_MS));
    take(observer.takeRecords());
    observer.disconnect();
    return { longestTaskMs: Math.max(0, ...durations), tasksOver50Ms: durations.length };
  };
}
