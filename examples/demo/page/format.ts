import { formatBytes } from 'bulkhead';

// The SDK's own: its messages and the page's figures must agree.
export { formatBytes };

const counts = new Intl.NumberFormat('en');

/** `2000` → `2,000`, for prose. The progress summary shows plain digits instead. */
export function formatCount(count: number): string {
  return counts.format(count);
}

/** `formatCounted(1, 'photo')` → `1 photo`; `formatCounted(2000, 'photo')` → `2,000 photos`. */
export function formatCounted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `6.9 MB/s`. */
export function formatSpeed(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `102` → `1 min 42 s`. Two units at most. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return withRest(`${minutes} min`, whole % 60, 's');
  return withRest(`${Math.floor(minutes / 60)} h`, minutes % 60, 'min');
}

/** Rounded up to steps that do not flicker: seconds below a minute, then five seconds, then minutes. */
export function formatTimeLeft(seconds: number): string {
  if (seconds < 1.5) return 'almost there';
  const step = seconds < 60 ? 1 : seconds < 600 ? 5 : 60;
  return `about ${formatDuration(Math.ceil(seconds / step) * step)} left`;
}

export function formatPercent(share: number): string {
  return `${Math.round(Math.min(1, Math.max(0, share)) * 100)} %`;
}

const dates = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** An ISO 8601 time in the reader's own time zone. */
export function formatDate(iso: string): string {
  return dates.format(new Date(iso));
}

function withRest(head: string, rest: number, unit: string): string {
  return rest === 0 ? head : `${head} ${rest} ${unit}`;
}
