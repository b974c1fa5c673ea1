import type { SessionSummary } from '../../storage/journal.ts';
import type { Snapshot } from '../types.ts';
import { isStored, type Upload, type UploadStatus } from '../upload-state.ts';

/** What a status means to who finds the session later. */
type Share = 'left' | 'following' | 'failed' | 'done' | 'out';

function shareOf(status: UploadStatus): Share {
  if (status === 'dead' || status === 'processing-failed') return 'failed';
  if (status === 'rejected' || status === 'cancelled') return 'out';
  if (status === 'processing' || status === 'embedding') return 'following';
  return isStored(status) ? 'done' : 'left';
}

/** How far a session is, in files; as the snapshot of a page counts them. */
export type SessionProgress = Pick<
  Snapshot,
  'total' | 'totalBytes' | 'uploaded' | 'processed' | 'searchable' | 'failed'
>;

/** The sums of one session, kept as its uploads move. */
export class SessionTally {
  /** A folder is being listed. */
  isListing = false;
  /** An earlier page did not live to see the end of a folder. */
  isHalfListed = false;
  /** Rows of another version of this software: what they say is for that version to know. */
  foreign = 0;
  #total = 0;
  #totalBytes = 0;
  #leftBytes = 0;
  readonly #files: Record<Share, number> = { left: 0, following: 0, failed: 0, done: 0, out: 0 };
  readonly #byStatus = new Map<UploadStatus, number>();

  get summary(): SessionSummary {
    return {
      total: this.#total + this.foreign,
      totalBytes: this.#totalBytes,
      left: this.#files.left + this.foreign,
      leftBytes: this.#leftBytes,
      failed: this.#files.failed,
      isComplete: this.#isComplete,
    };
  }

  get progress(): SessionProgress {
    const of = (...statuses: UploadStatus[]) =>
      statuses.reduce((sum, status) => sum + (this.#byStatus.get(status) ?? 0), 0);
    const searchable = of('searchable', 'duplicate');
    const processed = searchable + of('embedding');
    return {
      total: this.#total,
      totalBytes: this.#totalBytes,
      uploaded: processed + of('processing', 'processing-failed'),
      processed,
      searchable,
      failed: of('dead'),
    };
  }

  /** Everything has ended, and well. */
  get isFinished(): boolean {
    const { left, following, failed } = this.#files;
    return left + following + failed + this.foreign === 0 && this.#isComplete;
  }

  get #isComplete(): boolean {
    return !this.isListing && !this.isHalfListed;
  }

  count({ status, sizeBytes }: Pick<Upload, 'status' | 'sizeBytes'>, sign: 1 | -1): void {
    const share = shareOf(status);
    this.#files[share] += sign;
    this.#byStatus.set(status, (this.#byStatus.get(status) ?? 0) + sign);
    if (share === 'out') return;
    this.#total += sign;
    this.#totalBytes += sign * sizeBytes;
    if (share === 'left') this.#leftBytes += sign * sizeBytes;
  }

  move(from: UploadStatus, { status, sizeBytes }: Upload): void {
    this.count({ status: from, sizeBytes }, -1);
    this.count({ status, sizeBytes }, 1);
  }
}
