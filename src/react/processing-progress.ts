import type { Snapshot } from '../core/types.ts';
import { isEnded, isStored, UPLOAD_STATUSES } from '../core/upload-state.ts';
import type { Stats } from '../protocol/progress.ts';

/** How many of all files have passed a stage. */
export interface StageProgress {
  readonly done: number;
  readonly total: number;
}

/** The way of this page's files through the three stages, duplicates where their asset stands. */
export interface ProcessingProgress {
  /** Files that the server has and acknowledged. */
  readonly uploading: StageProgress;
  /** Files whose thumbnail is made. */
  readonly processing: StageProgress;
  /** Files that search finds. */
  readonly searchable: StageProgress;
  /** Ended without success: refused, given up, or failed in processing for good. */
  readonly failed: number;
  /**
   * How the server's news arrives. `off`: there is nothing to upload, everything is done, or the
   * connection is lost and about to be opened anew.
   */
  readonly connection: Snapshot['watch'];
  /** There were files, and each of them is searchable, a duplicate, or has failed. */
  readonly isDone: boolean;
  /** The server's own counts for this user, over all pages, as it last told them; null before. */
  readonly server: Stats | null;
}

/** Statuses in which the page still has something to do, or waits for a person. */
const UNSENT = UPLOAD_STATUSES.filter((status) => !isStored(status) && !isEnded(status));

export function processingProgressOf(snapshot: Snapshot): ProcessingProgress {
  const { total, uploaded, processed, searchable, failed, watch, serverStats } = snapshot;
  const stage = (done: number): StageProgress => ({ done, total });
  return {
    uploading: stage(uploaded),
    processing: stage(processed),
    searchable: stage(searchable),
    failed,
    connection: watch,
    isDone: isDone(snapshot),
    server: serverStats,
  };
}

function isDone({ total, failed, byStatus, state, watch, serverStats }: Snapshot): boolean {
  if (total + failed === 0 || UNSENT.some((status) => byStatus[status] > 0)) return false;
  if (byStatus.processing + byStatus.embedding === 0) return true;
  // An adapter that cannot tell what becomes of assets: then the page's part is all there is.
  return state === 'idle' && watch === 'off' && serverStats === null;
}

const isSameStage = (one: StageProgress, other: StageProgress): boolean =>
  one.done === other.done && one.total === other.total;

export function isSameProgress(one: ProcessingProgress, other: ProcessingProgress): boolean {
  return (
    isSameStage(one.uploading, other.uploading) &&
    isSameStage(one.processing, other.processing) &&
    isSameStage(one.searchable, other.searchable) &&
    one.failed === other.failed &&
    one.connection === other.connection &&
    one.isDone === other.isDone &&
    one.server === other.server
  );
}
