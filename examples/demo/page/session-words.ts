import type { SessionInfo } from 'bulkhead';
import { formatBytes, formatCount, formatCounted, formatDuration } from './format.ts';

type Words = readonly [head: string, rest: string];

/** What was interrupted, and how much of it is left. */
export function interruptedWords(info: SessionInfo, nowMs: number): Words {
  const { left, leftBytes, total, failed, isComplete, updatedMs } = info;
  const ago = formatAgo(nowMs - updatedMs);
  const head =
    left === 0
      ? `${formatCounted(failed, 'photo')} failed ${ago}.`
      : `Interrupted ${ago}: ${formatCounted(left, 'photo')} of ${formatCount(total)} left.`;
  const parts = left === 0 ? [] : [`${formatBytes(leftBytes)} to send.`];
  if (left > 0 && failed > 0) parts.push(`${formatCount(failed)} failed.`);
  if (!isComplete) parts.push('The folder had not been listed to its end.');
  return [head, parts.join(' ')];
}

/** What another tab is at. */
export function elsewhereWords({ total, left }: SessionInfo): Words {
  return [
    `Another tab is uploading ${formatCounted(total, 'photo')}.`,
    left === 0 ? 'All of them are sent.' : `${formatCount(left)} are left; close it to go on here.`,
  ];
}

/** `1 photo waits`, `613 photos wait`. */
export function waitingWords(count: number): string {
  return `${formatCounted(count, 'photo')} ${count === 1 ? 'waits' : 'wait'}`;
}

function formatAgo(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 60) return 'just now';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${formatDuration(hours * 3600)} ago` : `${Math.floor(hours / 24)} days ago`;
}
