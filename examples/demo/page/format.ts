import { formatBytes } from 'bulkhead';

// The SDK's own: its messages and the page's figures must agree.
export { formatBytes };

const counts = new Intl.NumberFormat('en');

/** `2000` → `2,000`, for prose. */
export function formatCount(count: number): string {
  return counts.format(count);
}

/** `formatCounted(1, 'photo')` → `1 photo`; `formatCounted(2000, 'photo')` → `2,000 photos`. */
export function formatCounted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

export function formatPercent(share: number): string {
  return `${Math.round(Math.min(1, Math.max(0, share)) * 100)} %`;
}

const dates = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

/** An ISO 8601 time in the reader's own time zone. */
export function formatDate(iso: string): string {
  return dates.format(new Date(iso));
}
