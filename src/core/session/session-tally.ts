import type { SessionSummary } from '../../storage/journal.ts';
import { isStored, type Upload, type UploadStatus } from '../upload-state.ts';

/** What a status means to who finds the session later. */
type Share = 'left' | 'following' | 'failed' | 'done' | 'out';

function shareOf(status: UploadStatus): Share {
  if (status === 'dead' || status === 'processing-failed') return 'failed';
  if (status === 'rejected' || status === 'cancelled') return 'out';
  if (status === 'processing' || status === 'embedding') return 'following';
  return isStored(status) ? 'done' : 'left';
}

/** The sums of one session, kept as its uploads move. */
export class SessionTally {
  /** False while a folder is still being listed. */
  isComplete = true;
  #total = 0;
  #totalBytes = 0;
  #leftBytes = 0;
  readonly #files: Record<Share, number> = { left: 0, following: 0, failed: 0, done: 0, out: 0 };

  get summary(): SessionSummary {
    return {
      total: this.#total,
      totalBytes: this.#totalBytes,
      left: this.#files.left,
      leftBytes: this.#leftBytes,
      failed: this.#files.failed,
      isComplete: this.isComplete,
    };
  }

  /** Everything has ended, and well. */
  get isFinished(): boolean {
    const { left, following, failed } = this.#files;
    return left + following + failed === 0 && this.isComplete;
  }

  count({ status, sizeBytes }: Pick<Upload, 'status' | 'sizeBytes'>, sign: 1 | -1): void {
    const share = shareOf(status);
    this.#files[share] += sign;
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
