import type { Snapshot } from '../../core/types.ts';

/** What the session is doing, in the terms of a person. */
export type Phase = 'none' | 'uploading' | 'processing' | 'waiting' | 'done';

/** The snapshot's numbers as a person reads them: constant work, however many uploads there are. */
export interface SessionState {
  readonly phase: Phase;
  /** Files taken: neither refused nor cancelled. */
  readonly total: number;
  readonly uploaded: number;
  readonly processed: number;
  readonly searchable: number;
  /** Not sent yet: closing the tab would leave them behind. */
  readonly unsent: number;
  /** Of an earlier visit: their files have to be given again. */
  readonly waiting: number;
  readonly cancelled: number;
  /** Failed for good, refused ones left out. */
  readonly lost: number;
  /** Of the lost: those that the server has, but could not process. */
  readonly lostInProcessing: number;
  readonly refused: number;
}

/** Reads a session's state off a snapshot. */
export function readSession(snapshot: Snapshot): SessionState {
  const { byStatus, total, uploaded, processed, searchable } = snapshot;
  const refused = byStatus.rejected;
  const cancelled = byStatus.cancelled;
  const lostInProcessing = byStatus['processing-failed'];
  const lost = byStatus.dead + lostInProcessing;
  const unsent =
    byStatus.queued +
    byStatus.hashing +
    byStatus.hashed +
    byStatus.requesting +
    byStatus.ready +
    byStatus.uploading +
    byStatus['put-unknown'] +
    byStatus.uploaded +
    byStatus.finalizing;
  const inProcess = byStatus.processing + byStatus.embedding;
  const waiting = byStatus.detached;
  return {
    phase: phaseOf(total + refused + cancelled, unsent, inProcess, waiting),
    total,
    uploaded,
    processed,
    searchable,
    unsent,
    waiting,
    cancelled,
    lost,
    lostInProcessing,
    refused,
  };
}

function phaseOf(rows: number, unsent: number, inProcess: number, waiting: number): Phase {
  if (rows === 0) return 'none';
  if (unsent > 0) return 'uploading';
  if (waiting > 0) return 'waiting';
  return inProcess > 0 ? 'processing' : 'done';
}
