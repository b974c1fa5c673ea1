import type { Ledger } from './ledger.ts';
import type { Pipeline } from './pipeline.ts';
import type { Snapshot, StopReason } from './types.ts';

export interface Switches {
  readonly isPaused: boolean;
  readonly stop: StopReason | null;
  readonly isStarted: boolean;
  readonly survivesReload: boolean;
}

/** The sums of this moment. O(1) in the number of uploads. */
export function takeSnapshot(ledger: Ledger, pipeline: Pipeline, switches: Switches): Snapshot {
  const by = { ...ledger.counts };
  const isWorking = ledger.unfinished > 0;
  const isFollowing = pipeline.tracker.pendingCount > 0;
  const wait = isWorking && !switches.isPaused ? pipeline.wait() : null;
  const bytesPerSecond = isWorking ? ledger.bytesPerSecond() : 0;
  // A duplicate is where its asset is.
  const foundDuplicates = by.duplicate - pipeline.tracker.unsearchableDuplicates;
  const inLibrary = by.processing + by.embedding + by.searchable + by['processing-failed'];
  return Object.freeze({
    state: stateOf(isWorking, isFollowing, wait !== null, switches),
    stop: switches.stop,
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
    survivesReload: switches.survivesReload,
    serverStats: pipeline.tracker.stats,
    watch: pipeline.tracker.watch,
  });
}

function stateOf(
  isWorking: boolean,
  isFollowing: boolean,
  isWaiting: boolean,
  { isPaused, isStarted }: Switches,
): Snapshot['state'] {
  if (isPaused) return isWorking ? 'paused' : 'idle';
  if (isWorking && !isStarted) return 'idle';
  if (isWaiting) return 'waiting';
  return isWorking || isFollowing ? 'running' : 'idle';
}
