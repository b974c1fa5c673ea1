import type { Brake } from './brake.ts';
import type { Ledger } from './ledger.ts';
import type { Pipeline } from './pipeline.ts';
import type { SessionKeeper } from './session/session-keeper.ts';
import type { Snapshot } from './types.ts';
import type { WorkLoop } from './work-loop.ts';

export interface SnapshotParts {
  readonly ledger: Ledger;
  readonly pipeline: Pipeline;
  readonly brake: Brake;
  readonly work: WorkLoop;
  readonly sessions: SessionKeeper;
}

/** The sums of this moment. O(1) in the number of uploads. */
export function takeSnapshot({ ledger, pipeline, brake, work, sessions }: SnapshotParts): Snapshot {
  const by = { ...ledger.counts };
  const isWorking = ledger.unfinished > 0;
  const isFollowing = pipeline.tracker.pendingCount > 0;
  const wait = isWorking && !brake.isOn ? pipeline.wait() : null;
  const bytesPerSecond = isWorking ? ledger.bytesPerSecond() : 0;
  // A duplicate is where its asset is.
  const foundDuplicates = by.duplicate - pipeline.tracker.unsearchableDuplicates;
  const inLibrary = by.processing + by.embedding + by.searchable + by['processing-failed'];
  return Object.freeze({
    state: stateOf(isWorking, isFollowing, wait !== null, brake.isOn, work.isStarted),
    stop: brake.stop,
    wait,
    total: ledger.size - by.rejected - by.cancelled,
    totalBytes: ledger.acceptedBytes,
    byStatus: Object.freeze(by),
    uploaded: inLibrary + by.duplicate,
    processed: by.embedding + by.searchable + foundDuplicates,
    searchable: by.searchable + foundDuplicates,
    failed: by.rejected + by.dead + by['processing-failed'],
    duplicates: by.duplicate,
    needsFile: ledger.detached.file,
    needsPermission: ledger.detached.permission,
    sentBytes: ledger.sentBytes,
    bytesPerSecond,
    secondsLeft: bytesPerSecond > 0 ? Math.ceil(ledger.remainingBytes / bytesPerSecond) : null,
    concurrency: pipeline.concurrency,
    survivesReload: sessions.survivesReload,
    serverStats: pipeline.tracker.stats,
    watch: pipeline.tracker.watch,
  });
}

function stateOf(
  isWorking: boolean,
  isFollowing: boolean,
  isWaiting: boolean,
  isPaused: boolean,
  isStarted: boolean,
): Snapshot['state'] {
  if (isPaused) return isWorking ? 'paused' : 'idle';
  if (isWorking && !isStarted) return 'idle';
  if (isWaiting) return 'waiting';
  return isWorking || isFollowing ? 'running' : 'idle';
}
