import {
  NO_ATTEMPTS,
  UPLOAD_STATUSES,
  type Upload,
  type UploadStatus,
} from '../../src/core/upload-state.ts';
import { transition, type UploadTransition } from '../../src/core/upload-transition.ts';

const failure = { code: 'internal', kind: 'server', message: 'boom' } as const;

/** One example of every event; those whose outcome depends on their payload come once per outcome. */
const EVENTS: readonly [label: string, event: UploadTransition][] = [
  ['file-lost', { type: 'file-lost', needs: 'file' }],
  ['file-found', { type: 'file-found', isSame: true, lastModifiedMs: 1 }],
  ['file-found (in doubt)', { type: 'file-found', isSame: false, lastModifiedMs: 1 }],
  ['found-finalized', found(false, true)],
  ['found-finalized (processed already)', found(false, false)],
  ['found-finalized (duplicate)', found(true, false)],
  ['found-uploaded', { type: 'found-uploaded', assetId: 'a' }],
  ['hash-started', { type: 'hash-started' }],
  ['hash-succeeded', { type: 'hash-succeeded', checksum: 'c' }],
  ['hash-deferred', { type: 'hash-deferred', costsAttempt: true }],
  ['checksum-doubted', { type: 'checksum-doubted' }],
  ['credential-requested', { type: 'credential-requested' }],
  ['credential-granted', { type: 'credential-granted', assetId: 'a' }],
  ['credential-deferred', { type: 'credential-deferred', costsAttempt: true }],
  ['credential-expired', { type: 'credential-expired', isRefused: false }],
  ['duplicate-found', { type: 'duplicate-found', assetId: 'a' }],
  ['put-started', { type: 'put-started' }],
  ['put-succeeded', { type: 'put-succeeded' }],
  ['put-deferred', { type: 'put-deferred', costsAttempt: true }],
  ['put-lost', { type: 'put-lost', costsAttempt: true }],
  ['finalize-started', { type: 'finalize-started' }],
  ['finalize-succeeded', finalized(false, true)],
  ['finalize-succeeded (processed already)', finalized(false, false)],
  ['finalize-succeeded (duplicate)', finalized(true, false)],
  ['finalize-deferred', { type: 'finalize-deferred', costsAttempt: true }],
  ['bytes-missing', { type: 'bytes-missing' }],
  ['asset-changed (processing)', changed('processing')],
  ['asset-changed (embedding)', changed('embedding')],
  ['asset-changed (searchable)', changed('searchable')],
  ['asset-changed (failed)', changed('failed')],
  ['refused', { type: 'refused', failure }],
  ['gave-up', { type: 'gave-up', failure }],
  ['cancelled', { type: 'cancelled' }],
  ['retried', { type: 'retried' }],
  ['boosted', { type: 'boosted' }],
];

function finalized(isDuplicate: boolean, needsProcessing: boolean): UploadTransition {
  return { type: 'finalize-succeeded', assetId: 'a', isDuplicate, needsProcessing };
}

function found(isDuplicate: boolean, needsProcessing: boolean): UploadTransition {
  return { type: 'found-finalized', assetId: 'a', isDuplicate, needsProcessing };
}

function changed(stage: 'processing' | 'embedding' | 'searchable' | 'failed'): UploadTransition {
  return { type: 'asset-changed', version: 2, stage, failure };
}

/** Uploads in `status`, one for each variant that behaves in its own way. */
function examples(status: UploadStatus): [label: string, upload: Upload][] {
  const example = (isPutUnknown: boolean) =>
    ({
      id: 'one',
      name: 'a.jpg',
      path: 'a.jpg',
      sizeBytes: 1,
      mimeType: 'image/jpeg',
      lastModifiedMs: 0,
      batchId: 'batch',
      priority: 'normal',
      attempts: NO_ATTEMPTS,
      status,
      checksum: 'c',
      assetId: 'a',
      version: 1,
      failure,
      isPutUnknown,
      needs: 'permission',
    }) as Upload;
  if (status === 'detached') {
    const { checksum: _, ...unhashed } = example(false) as Upload & { status: 'detached' };
    return [
      ['detached', unhashed],
      ['detached (hashed)', example(false)],
    ];
  }
  if (status !== 'finalizing') return [[status, example(false)]];
  return [
    ['finalizing', example(false)],
    ['finalizing (put unknown)', example(true)],
  ];
}

/** Every event that brings an upload to another state, as a Markdown table: what ARCHITECTURE.md shows. */
export function transitionTable(): string {
  const lines = ['| from | event | to |', '|---|---|---|'];
  for (const status of UPLOAD_STATUSES) {
    for (const [from, upload] of examples(status)) {
      for (const [event, value] of EVENTS) {
        const next = transition(upload, value);
        if (next !== upload && next.status !== upload.status)
          lines.push(`| ${from} | ${event} | ${next.status} |`);
      }
    }
  }
  return lines.join('\n');
}

/** What the events above do not name: an event of the code that the table would miss. */
export const TABLED_EVENTS: ReadonlySet<string> = new Set(EVENTS.map(([, { type }]) => type));
