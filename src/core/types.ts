import type { FailureKind, UploadFailure } from '../errors/upload-error.ts';
import type { AssetStage, FileProblem, Stats } from '../protocol/index.ts';
import type { Upload, UploadStatus } from './upload-state.ts';

/**
 * What the person sees of all uploads at once. Immutable; a new object only when something changed,
 * so it fits `useSyncExternalStore`. Counts are of files, bytes are bytes of file content.
 */
export interface Snapshot {
  /** `idle`: nothing to do. `running`: work is under way. `paused`: by a person. `waiting`: for the
   * network or a rate limit; `waitUntilMs` says when it goes on. */
  readonly state: 'idle' | 'running' | 'paused' | 'waiting';
  /** Why the uploader paused by itself; null when it did not. `resume()` tries again. */
  readonly stop: StopReason | null;
  /** Why a lane waits: shown to the person. */
  readonly wait: WaitReason | null;
  /** Files to bring over: all that were added but for refused and cancelled ones. */
  readonly total: number;
  readonly totalBytes: number;
  /** Files in each status; the numbers add up to all rows, refused ones included. */
  readonly byStatus: Readonly<Record<UploadStatus, number>>;
  /** Stored and known to the server: finalized, duplicates and everything later. */
  readonly uploaded: number;
  /** Thumbnail made. */
  readonly processed: number;
  /** Found by search. */
  readonly searchable: number;
  /** Ended without success: rejected, dead, and failed in processing for good. */
  readonly failed: number;
  readonly duplicates: number;
  /** Of an earlier page: to go on, their files have to be selected (or dropped) again. */
  readonly needsFile: number;
  /** Of an earlier page: to go on, `sessions.requestPermission()` has to be called on a click. */
  readonly needsPermission: number;
  /** Bytes sent or found to be stored already, parts of files in flight included; never falls. */
  readonly sentBytes: number;
  /** Smoothed over the last seconds; 0 when idle. */
  readonly bytesPerSecond: number;
  /** Of the upload stage; null until it can be told. */
  readonly secondsLeft: number | null;
  /** PUTs at once, as the network and the store stand. */
  readonly concurrency: number;
  /** Whether what is left outlives this page. False until the first write, and where the browser cannot. */
  readonly survivesReload: boolean;
  /** The server's own counts for this user, over all sessions; null until it told them. */
  readonly serverStats: Stats | null;
  /** Whether server-side progress arrives: by the event stream, by polling, or not (yet). */
  readonly watch: 'off' | 'stream' | 'polling';
}

/**
 * What only a person or the application can mend: sign in again (`unauthenticated`), allow this page in
 * the store's CORS rules or an extension (`store_blocked`), the server's keys or clock
 * (`store_misconfigured`), or what the store accepts (`store_refused`: not one of the first files).
 */
export type StopReason =
  | 'unauthenticated'
  | 'store_blocked'
  | 'store_misconfigured'
  | 'store_refused';

export type WaitReason =
  | { readonly kind: 'rate_limit'; readonly untilMs: number }
  | { readonly kind: 'network'; readonly untilMs: number }
  | { readonly kind: 'server'; readonly untilMs: number };

/** Everything that can happen, in past tense. State events are never dropped; progress is coalesced. */
export type UploaderEvent =
  | { readonly type: 'upload-added'; readonly upload: Upload }
  | { readonly type: 'upload-changed'; readonly upload: Upload; readonly previous: UploadStatus }
  /** A person cleared it from the list. */
  | { readonly type: 'upload-removed'; readonly upload: Upload }
  | { readonly type: 'upload-progressed'; readonly id: string; readonly sentBytes: number }
  | {
      readonly type: 'upload-finalized';
      readonly id: string;
      readonly assetId: string;
      readonly isDuplicate: boolean;
    }
  | { readonly type: 'upload-searchable'; readonly id: string; readonly assetId: string }
  | { readonly type: 'upload-failed'; readonly id: string; readonly failure: UploadFailure }
  | {
      readonly type: 'upload-retried';
      readonly id: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly failure: UploadFailure;
    }
  | {
      readonly type: 'asset-changed';
      readonly assetId: string;
      readonly stage: AssetStage;
      readonly thumbnailUrl: string | null;
      readonly error: FileProblem | null;
    }
  | { readonly type: 'upload-dead-lettered'; readonly id: string; readonly kind: FailureKind }
  | { readonly type: 'dead-letters-redriven'; readonly count: number }
  | {
      readonly type: 'uploads-stopped';
      readonly reason: StopReason;
      readonly failure: UploadFailure;
    }
  /** This browser keeps no record of uploads (any more): what is left when the page goes must be added anew. */
  | { readonly type: 'journal-degraded'; readonly error: Error }
  /** There is no room for more safe copies, or this browser stores no files: no more are kept. */
  | { readonly type: 'safe-copies-stopped'; readonly error: unknown }
  | { readonly type: 'lane-waited'; readonly wait: WaitReason }
  | { readonly type: 'uploads-drained' };

export type UploaderEventType = UploaderEvent['type'];
export type EventOf<T extends UploaderEventType> = Extract<UploaderEvent, { type: T }>;
