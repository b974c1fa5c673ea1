import type { FailedAttempt } from '../../core/attempt-log.ts';
import type { SessionInfo } from '../../core/session/session-list.ts';
import type { Snapshot, StopReason, WaitReason } from '../../core/types.ts';
import type { Upload } from '../../core/upload-state.ts';
import type { UploadFailure } from '../../errors/upload-error.ts';
import type { RowFilter } from '../model/row-book.ts';
import type { SessionState } from '../model/session-state.ts';

/** What happened, in one sentence, and what to do about it (may be ''). */
export interface WhatAndAdvice {
  readonly what: string;
  readonly advice: string;
}

/**
 * Every word of the element. Numbers come as numbers, so that each language makes its own plurals. What is not
 * given stays English.
 */
export interface UploaderStrings {
  /** `2,000`. */
  readonly formatCount: (count: number) => string;
  /** `6.9 MB`. */
  readonly formatBytes: (bytes: number) => string;
  /** `1 min 42 s`. */
  readonly formatDuration: (seconds: number) => string;

  /** Name of the region where files come in. */
  readonly addFiles: string;
  readonly dropTitle: string;
  readonly dropHint: string;
  readonly chooseFiles: string;
  readonly chooseFolder: string;
  /** While something is held over the element. */
  readonly dropNow: string;

  /** Name of the region of the three bars. */
  readonly progress: string;
  /** `Uploading 1500/2000`, `Processing …`, `Searchable …`: parts between which a line may break. */
  readonly summary: (session: SessionState) => readonly string[];
  /** The headline when everything has come to an end. */
  readonly doneSummary: (session: SessionState) => string;
  /** Under it: what it took. */
  readonly doneFigures: (session: SessionState, snapshot: Snapshot, seconds: number) => string;
  /** Bytes, speed and time left. */
  readonly runningFigures: (session: SessionState, snapshot: Snapshot) => string;
  readonly looking: string;
  readonly stageUploaded: string;
  readonly stageProcessed: string;
  readonly stageSearchable: string;
  /** What a screen reader says of a bar. */
  readonly stageValue: (done: number, total: number) => string;
  readonly pause: string;
  readonly resume: string;
  readonly cancel: string;
  readonly cancelQuestion: (unsent: number) => string;
  readonly cancelKeep: string;
  readonly cancelConfirm: string;
  readonly hide: string;

  readonly paused: string;
  readonly offline: string;
  /** Why nothing moves just now. */
  readonly waitReason: (kind: WaitReason['kind']) => string;
  /** The reason, and when it goes on: `Upload rate limited. Retrying in 12 s…`. */
  readonly waiting: (kind: WaitReason['kind'], seconds: number) => string;
  /** What has to be mended before it can go on, and what to do then. */
  readonly stopped: (reason: StopReason) => string;

  /** Name of the list of files. */
  readonly list: string;
  readonly filters: string;
  readonly filter: (filter: RowFilter) => string;
  readonly emptyList: (filter: RowFilter) => string;
  /**
   * Where an upload stands: `✓ Uploaded → Processing…`.
   *
   * @param share how much of it is sent, 0 to 1, while it is being sent
   */
  readonly rowStatus: (upload: Upload, share: number) => string;
  readonly retry: string;
  readonly retryFile: (name: string) => string;
  readonly cancelFile: (name: string) => string;

  readonly failures: string;
  readonly failuresTitle: (count: number, isAllRefused: boolean) => string;
  readonly retryAll: string;
  readonly retryThese: string;
  readonly dismissRefused: string;
  readonly exportAs: (format: 'csv' | 'json') => string;
  /** The cause in words that fit all of its files. @param first one of these */
  readonly cause: (first: UploadFailure) => WhatAndAdvice;
  /** One file's own failure, in full. */
  readonly failure: (failure: UploadFailure) => string;
  /** Names while a cause is folded: `a.jpg, b.jpg and 12 more`. */
  readonly causeNames: (names: readonly string[], more: number) => string;
  readonly moreFiles: (count: number) => string;
  readonly showInList: string;
  /** Opens what was tried for a file, and when. */
  readonly details: string;
  readonly attempt: (attempt: FailedAttempt) => string;

  readonly sessions: string;
  readonly interrupted: (session: SessionInfo, nowMs: number) => WhatAndAdvice;
  readonly elsewhere: (session: SessionInfo) => WhatAndAdvice;
  readonly needsPermission: (count: number) => WhatAndAdvice;
  readonly needsFiles: (count: number, uploaded: number) => WhatAndAdvice;
  readonly sessionResume: string;
  readonly sessionResuming: string;
  readonly sessionDiscard: string;
  readonly sessionDiscardConfirm: (left: number) => string;
  readonly allowReading: string;

  readonly repeated: (count: number) => string;
  readonly nothingFound: string;
  readonly unreadable: string;
  readonly sessionGone: (code: 'elsewhere' | 'not_found' | 'needs_click') => string;
  readonly discarded: string;
  readonly notAllowed: string;
  readonly notKept: string;
  readonly copiesStopped: string;
  readonly dismiss: string;
}
