import { formatBytes } from '../../core/intake/restrictions.ts';
import type { SessionInfo } from '../../core/session/session-list.ts';
import type { Snapshot } from '../../core/types.ts';
import type { Upload } from '../../core/upload-state.ts';
import { describeFailure } from '../../errors/describe-failure.ts';
import type { UploadErrorCode, UploadFailure } from '../../errors/upload-error.ts';
import type { SessionState } from '../model/session-state.ts';
import type { UploaderStrings, WhatAndAdvice } from './strings.ts';

/** What is uploaded, in the user's terms: files, photos, scans. */
export interface Noun {
  readonly one: string;
  readonly many: string;
}

const counts = new Intl.NumberFormat('en');
const times = new Intl.DateTimeFormat('en', { timeStyle: 'medium' });

const formatCount = (count: number): string => counts.format(count);
const percent = (share: number): string => `${Math.floor(Math.min(1, Math.max(0, share)) * 100)} %`;

/** `102` → `1 min 42 s`. Two units at most. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return withRest(`${minutes} min`, whole % 60, 's');
  return withRest(`${Math.floor(minutes / 60)} h`, minutes % 60, 'min');
}

const withRest = (head: string, rest: number, unit: string): string =>
  rest === 0 ? head : `${head} ${rest} ${unit}`;

/** Rounded up to steps that do not flicker: seconds below a minute, then five seconds, then minutes. */
export function formatTimeLeft(seconds: number): string {
  if (seconds < 1.5) return 'almost there';
  const step = seconds < 60 ? 1 : seconds < 600 ? 5 : 60;
  return `about ${formatDuration(Math.ceil(seconds / step) * step)} left`;
}

function formatAgo(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 60) return 'just now';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${formatDuration(hours * 3600)} ago` : `${Math.floor(hours / 24)} days ago`;
}

/** For causes whose own words speak of one file's size, type or place in line. */
const CAUSES: Partial<Record<UploadErrorCode, WhatAndAdvice>> = {
  file_too_large: {
    what: 'Larger than what is taken here.',
    advice: 'Make it smaller, then add it again.',
  },
  unsupported_type: {
    what: 'Not a type that is taken here.',
    advice: 'Export it as another type, then add it again.',
  },
  invalid_name: {
    what: 'The file name cannot be stored.',
    advice: 'Rename the file, then add it again.',
  },
  too_many_files: {
    what: 'Too many files at once.',
    advice: 'Add the rest when these are done.',
  },
  total_too_large: {
    what: 'All files together are larger than what is taken here.',
    advice: 'Add the rest when these are done.',
  },
  store_refused: {
    what: 'The object store refused the bytes.',
    advice: 'Retry; if it happens again, look at the store’s log.',
  },
};

/** The first sentence says what happened, the rest what to do. */
function split(words: string): WhatAndAdvice {
  const end = words.search(/[.:] /);
  if (end < 0) return { what: words, advice: '' };
  const advice = words.slice(end + 2);
  return {
    what: `${words.slice(0, end)}.`,
    advice: advice.charAt(0).toUpperCase() + advice.slice(1),
  };
}

const STAGES = {
  hash: 'Reading',
  credentials: 'Asking for permission to upload',
  put: 'Sending',
  finalize: 'Confirming',
} as const;

/** The English words, for what is uploaded. Default: files. */
export function englishStrings(noun: Noun = { one: 'file', many: 'files' }): UploaderStrings {
  const nounFor = (count: number): string => (count === 1 ? noun.one : noun.many);
  const counted = (count: number): string => `${formatCount(count)} ${nounFor(count)}`;
  const isOrAre = (count: number): string => (count === 1 ? 'is' : 'are');
  const waits = (count: number): string => `${counted(count)} ${count === 1 ? 'waits' : 'wait'}`;

  const troubles = ({ lost, refused }: SessionState): string[] => [
    ...(lost > 0 ? [`${formatCount(lost)} failed`] : []),
    ...(refused > 0 ? [`${formatCount(refused)} not taken`] : []),
  ];
  const waitForFiles = (count: number): string => `${formatCount(count)} wait for their files`;
  const wordsOf = (failure: UploadFailure): string => split(describeFailure(failure)).what;

  return {
    formatCount,
    formatBytes,
    formatDuration,

    addFiles: `Add ${noun.many}`,
    dropTitle: `Drop ${noun.many} or folders here`,
    dropHint: 'or paste.',
    chooseFiles: `Choose ${noun.many}`,
    chooseFolder: 'Choose a folder',
    dropNow: 'Drop to upload',

    progress: 'Progress',
    summary: ({ uploaded, processed, searchable, total }) => [
      `Uploading ${uploaded}/${total} ·`,
      `Processing ${processed}/${total} ·`,
      `Searchable ${searchable}/${total}`,
    ],
    doneSummary({ searchable, total, cancelled, refused }) {
      if (total === 0) {
        if (cancelled > 0) return 'Cancelled before anything was sent';
        return refused === 1
          ? 'The file was not taken'
          : `${formatCount(refused)} files were not taken`;
      }
      if (searchable === total && cancelled === 0) {
        if (total === 1) return `Your ${noun.one} is in the library`;
        return total === 2
          ? `Both ${noun.many} are in the library`
          : `All ${counted(total)} are in the library`;
      }
      if (searchable === total) return `${counted(total)} ${isOrAre(total)} in the library`;
      return `${formatCount(searchable)} of ${counted(total)} ${isOrAre(total)} in the library`;
    },
    doneFigures(session, { sentBytes, duplicates }, seconds) {
      const parts: string[] = [];
      if (sentBytes > 0) {
        parts.push(`${formatBytes(sentBytes)} in ${formatDuration(Math.max(1, seconds))}`);
      }
      if (duplicates > 0) {
        parts.push(`${formatCount(duplicates)} you already had, not sent again`);
      }
      if (session.cancelled > 0) parts.push(`${formatCount(session.cancelled)} cancelled`);
      if (session.total > 0) parts.push(...troubles(session));
      return parts.join(' · ');
    },
    runningFigures(session, snapshot) {
      if (session.phase === 'waiting') {
        return [waitForFiles(session.waiting), ...troubles(session)].join(' · ');
      }
      if (session.phase === 'processing') {
        return 'Everything is uploaded. You may close this tab: the server does the rest.';
      }
      return [
        ...sendingFigures(snapshot),
        ...(session.waiting > 0 ? [waitForFiles(session.waiting)] : []),
        ...troubles(session),
      ].join(' · ');
    },
    looking: 'Looking for files…',
    stageUploaded: 'Uploaded',
    stageProcessed: 'Processed',
    stageSearchable: 'Searchable',
    stageValue: (done, total) => `${done} of ${total}`,
    pause: 'Pause',
    resume: 'Resume',
    cancel: 'Cancel',
    cancelQuestion: (unsent) =>
      `Cancel the ${counted(unsent)} not sent yet? What was sent stays in your library, and you can add the rest again.`,
    cancelKeep: 'Keep uploading',
    cancelConfirm: 'Cancel the rest',
    hide: 'Hide this panel',

    paused: 'Paused. What was sent is safe; the rest waits until you resume.',
    offline: 'You are offline. Uploading goes on by itself when the connection is back.',
    waitReason: (kind) => WAITS[kind],
    waiting(kind, seconds) {
      const when = seconds > 0 ? `in ${formatDuration(seconds)}…` : 'now…';
      return `${WAITS[kind]} ${kind === 'rate_limit' ? 'Retrying' : 'Trying again'} ${when}`;
    },
    stopped: (reason) => STOPS[reason],

    list: noun.many.charAt(0).toUpperCase() + noun.many.slice(1),
    filters: 'Show',
    filter: (filter) => FILTERS[filter],
    emptyList: (filter) => EMPTY[filter](noun.many),
    rowStatus: (upload, share) => rowStatus(upload, share, wordsOf),
    retry: 'Retry',
    retryFile: (name) => `Retry ${name}`,
    cancelFile: (name) => `Cancel ${name}`,

    failures: 'Files that need attention',
    failuresTitle: (count, isAllRefused) => {
      const files = `${formatCount(count)} file${count === 1 ? '' : 's'}`;
      if (isAllRefused) return `${files} could not be taken`;
      return `${files} need${count === 1 ? 's' : ''} attention`;
    },
    retryAll: 'Retry all',
    retryThese: 'Retry all of these',
    dismissRefused: 'Dismiss',
    exportAs: (format) => `Export ${format.toUpperCase()}`,
    cause: (first) => CAUSES[first.code] ?? split(describeFailure(first)),
    failure: describeFailure,
    causeNames: (names, more) =>
      `${names.join(', ')}${more > 0 ? ` and ${formatCount(more)} more` : ''}`,
    moreFiles: (count) => `and ${formatCount(count)} more`,
    showInList: 'Show all in the list',
    details: 'Details',
    attempt: ({ stage, atMs, failure }) => {
      const status = failure.status === undefined ? '' : ` (${failure.status})`;
      return `${times.format(atMs)} · ${STAGES[stage]}: ${failure.message}${status}`;
    },

    sessions: 'Unfinished uploads',
    interrupted: (
      { left, leftBytes, total, failed, isComplete, updatedMs }: SessionInfo,
      nowMs,
    ) => {
      const ago = formatAgo(nowMs - updatedMs);
      if (left === 0) return { what: `${counted(failed)} failed ${ago}.`, advice: '' };
      const parts = [`${formatBytes(leftBytes)} to send.`];
      if (failed > 0) parts.push(`${formatCount(failed)} failed.`);
      if (!isComplete) parts.push('The folder had not been listed to its end.');
      const what = `Interrupted ${ago}: ${counted(left)} of ${formatCount(total)} left.`;
      return { what, advice: parts.join(' ') };
    },
    elsewhere: ({ total, left }) => ({
      what: `Another tab is uploading ${counted(total)}.`,
      advice:
        left === 0
          ? 'All of them are sent.'
          : `${formatCount(left)} ${isOrAre(left)} left; close it to go on here.`,
    }),
    needsPermission: (count) => ({
      what: `${waits(count)} for your permission.`,
      advice: 'Your browser asks; then uploading goes on where it was.',
    }),
    needsFiles: (count, uploaded) => ({
      what: `${waits(count)} for their files.`,
      advice: `Drop or choose the same ones again.${uploaded > 0 ? ` The ${formatCount(uploaded)} that are done are skipped.` : ''}`,
    }),
    sessionResume: 'Resume',
    sessionResuming: 'Resuming…',
    sessionDiscard: 'Discard',
    sessionDiscardConfirm: (left) => `Leave ${counted(left)} out`,
    allowReading: 'Allow reading',

    repeated: (count) =>
      `${formatCount(count)} file${count === 1 ? '' : 's'} had been added before and ${count === 1 ? 'was' : 'were'} left out.`,
    nothingFound: 'There were no files in that.',
    unreadable: 'That could not be read. Try the buttons instead.',
    sessionGone: (code) => SESSION_ERRORS[code],
    discarded: 'The rest was left out. What was sent stays in your library.',
    notAllowed: 'Without that permission, choose the folder again.',
    notKept: 'This browser keeps no record of uploads: leave this tab open until all is sent.',
    copiesStopped:
      'There is no room for more copies of files: leave this tab open until all is sent.',
    dismiss: 'Dismiss',
  };
}

function sendingFigures({ sentBytes, totalBytes, state, bytesPerSecond, secondsLeft }: Snapshot) {
  const parts = [`${formatBytes(sentBytes)} of ${formatBytes(totalBytes)}`];
  if (state !== 'running' || bytesPerSecond <= 0) return parts;
  parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (secondsLeft !== null) parts.push(formatTimeLeft(secondsLeft));
  return parts;
}

function rowStatus(
  upload: Upload,
  share: number,
  wordsOf: (failure: UploadFailure) => string,
): string {
  switch (upload.status) {
    case 'detached':
      return upload.needs === 'file' ? 'Waits for its file' : 'Waits for your permission';
    case 'queued':
      return 'Waiting';
    case 'hashing':
      return 'Reading…';
    case 'hashed':
    case 'requesting':
    case 'ready':
      return 'Ready to send';
    case 'uploading':
      return `Uploading ${percent(share)}`;
    case 'put-unknown':
    case 'uploaded':
    case 'finalizing':
      return '✓ Sent → Confirming…';
    case 'processing':
      return '✓ Uploaded → Processing…';
    case 'embedding':
      return '✓ Processed → Indexing…';
    case 'searchable':
      return '✓ Ready to search';
    case 'duplicate':
      return '✓ Already in your library';
    case 'processing-failed':
      return `✓ Uploaded → ${wordsOf(upload.failure)}`;
    case 'rejected':
    case 'dead':
      return wordsOf(upload.failure);
    case 'cancelled':
      return 'Cancelled';
  }
}

const WAITS = {
  rate_limit: 'Upload rate limited.',
  network: 'The connection is gone.',
  server: 'The server does not answer.',
} as const;

const STOPS = {
  unauthenticated:
    'You are no longer signed in. Reload the page and add the rest again: what was sent is safe.',
  store_blocked:
    'The object store does not let this page write to it: its CORS rules or a browser extension. Resume when that is mended.',
  store_misconfigured:
    'The object store refuses the server’s signatures: its keys or a clock are wrong. Resume when that is mended.',
  store_refused: 'The object store refuses every file. Look at its log, then resume.',
} as const;

const FILTERS = { all: 'All', active: 'Active', done: 'Done', failed: 'Failed' } as const;

const EMPTY = {
  all: () => 'Nothing was added yet.',
  active: (many: string) => `No ${many} are under way.`,
  done: (many: string) => `No ${many} are done yet.`,
  failed: () => 'Nothing failed.',
} as const;

const SESSION_ERRORS = {
  elsewhere: 'Another tab is working on these uploads. Go on there, or close it.',
  not_found: 'These uploads were finished or discarded meanwhile.',
  needs_click: 'Your browser did not ask about every folder. Click again for the rest.',
} as const;
