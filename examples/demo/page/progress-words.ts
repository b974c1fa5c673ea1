import type { Snapshot, StopReason, WaitReason } from 'bulkhead';
import { formatBytes, formatCount, formatDuration, formatSpeed, formatTimeLeft } from './format.ts';
import type { SessionState } from './session-state.ts';

/** `Uploading 1500/2000 · Processing 450/2000 · Searchable 120/2000`, in parts that stay whole. */
export function summaryParts(session: SessionState): string[] {
  const { uploaded, processed, searchable, total } = session;
  return [
    `Uploading ${uploaded}/${total} ·`,
    `Processing ${processed}/${total} ·`,
    `Searchable ${searchable}/${total}`,
  ];
}

/** The headline when everything has come to an end. */
export function doneLine(session: SessionState): string {
  const { searchable, total, cancelled, refused } = session;
  if (total === 0) {
    if (cancelled > 0) return 'Cancelled before anything was sent';
    return refused === 1
      ? 'The file was not taken'
      : `${formatCount(refused)} files were not taken`;
  }
  if (searchable === total && cancelled === 0) {
    if (total === 1) return 'Your photo is in the library';
    return total === 2
      ? 'Both photos are in the library'
      : `All ${formatCount(total)} photos are in the library`;
  }
  const whole = searchable === total ? '' : ` of ${formatCount(total)}`;
  const noun = (searchable === total ? searchable : total) === 1 ? 'photo is' : 'photos are';
  return `${formatCount(searchable)}${whole} ${noun} in the library`;
}

/** Under the headline: what it took. */
export function doneFigures(session: SessionState, snapshot: Snapshot, seconds: number): string {
  const parts: string[] = [];
  if (snapshot.sentBytes > 0) {
    parts.push(`${formatBytes(snapshot.sentBytes)} in ${formatDuration(Math.max(1, seconds))}`);
  }
  if (snapshot.duplicates > 0) {
    parts.push(`${formatCount(snapshot.duplicates)} you already had, not sent again`);
  }
  if (session.cancelled > 0) parts.push(`${formatCount(session.cancelled)} cancelled`);
  if (session.total > 0) parts.push(...troubles(session));
  return parts.join(' · ');
}

/** Under the summary while work is under way: bytes, speed, time left. */
export function runningFigures(session: SessionState, snapshot: Snapshot): string {
  if (session.phase === 'waiting') {
    return [`${formatCount(session.waiting)} wait for their files`, ...troubles(session)].join(
      ' · ',
    );
  }
  if (session.phase === 'processing') {
    return 'Everything is uploaded. You may close this tab: the server does the rest.';
  }
  const parts = [`${formatBytes(snapshot.sentBytes)} of ${formatBytes(snapshot.totalBytes)}`];
  if (snapshot.state === 'running' && snapshot.bytesPerSecond > 0) {
    parts.push(formatSpeed(snapshot.bytesPerSecond));
    if (snapshot.secondsLeft !== null) parts.push(formatTimeLeft(snapshot.secondsLeft));
  }
  if (session.waiting > 0) parts.push(`${formatCount(session.waiting)} wait for their files`);
  parts.push(...troubles(session));
  return parts.join(' · ');
}

/** Why nothing moves just now. */
export function waitReason({ kind }: WaitReason): string {
  switch (kind) {
    case 'rate_limit':
      return 'Upload rate limited.';
    case 'network':
      return 'The connection is gone.';
    case 'server':
      return 'The server does not answer.';
  }
}

/** What has to be mended before it can go on, and what to do then. */
export function stopWords(reason: StopReason): string {
  switch (reason) {
    case 'unauthenticated':
      return 'You are no longer signed in. Reload the page and add the rest again: what was sent is safe.';
    case 'store_blocked':
      return 'The object store does not let this page write to it: its CORS rules or a browser extension. Resume when that is mended.';
    case 'store_misconfigured':
      return 'The object store refuses the server’s signatures: its keys or a clock are wrong. Resume when that is mended.';
    case 'store_refused':
      return 'The object store refuses every file. Look at its log, then resume.';
  }
}

/** The reason, and when it goes on: `Upload rate limited. Retrying in 12 s…`. */
export function waitWords(wait: WaitReason, nowMs: number): string {
  const seconds = Math.ceil((wait.untilMs - nowMs) / 1000);
  const when = seconds > 0 ? `in ${formatDuration(seconds)}…` : 'now…';
  const what = wait.kind === 'rate_limit' ? 'Retrying' : 'Trying again';
  return `${waitReason(wait)} ${what} ${when}`;
}

/** How far the three stages are together, 0 to 1. */
export function overallShare({ uploaded, processed, searchable, total }: SessionState): number {
  return total === 0 ? 0 : (uploaded + processed + searchable) / (total * 3);
}

/** For the tab's title: seen while another tab is in front. */
export function titleWords(session: SessionState): string {
  if (session.phase === 'uploading' || session.phase === 'processing') {
    return `${Math.floor(overallShare(session) * 100)} % · Bulkhead`;
  }
  return session.phase === 'done' && session.total > 0 ? '✓ Done · Bulkhead' : 'Bulkhead';
}

function troubles({ lost, refused }: SessionState): string[] {
  const parts: string[] = [];
  if (lost > 0) parts.push(`${formatCount(lost)} failed`);
  if (refused > 0) parts.push(`${formatCount(refused)} not taken`);
  return parts;
}
