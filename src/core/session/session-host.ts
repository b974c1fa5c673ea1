import type { Runtime } from '../../runtime/runtime.ts';
import type { UploadAdapter } from '../../transports/adapter.ts';
import type { AttemptLog } from '../attempt-log.ts';
import type { Emitter } from '../emitter.ts';
import type { FileShelf } from '../file-shelf.ts';
import type { Collected } from '../intake/collect-files.ts';
import type { Ledger } from '../ledger.ts';
import type { SnapshotFeed } from '../snapshot-feed.ts';
import type { Priority, Upload } from '../upload-state.ts';
import type { WorkLoop } from '../work-loop.ts';

export interface SessionSettings {
  /** Whose sessions. */
  readonly scope: string;
  /** What becomes of interrupted sessions when the page opens. */
  readonly resume: 'ask' | 'auto';
  /** Bytes of files that are copied into the browser's storage; 0 for none. */
  readonly maxCopiedBytes: number;
}

/** What the keeper needs of the uploader. */
export interface SessionHost {
  readonly runtime: Runtime;
  readonly adapter: UploadAdapter;
  readonly emitter: Emitter;
  readonly ledger: Ledger;
  readonly files: FileShelf;
  readonly attemptLog: AttemptLog;
  readonly signal: AbortSignal;
  readonly snapshots: SnapshotFeed;
  readonly work: WorkLoop;
  /** The upload by which this page has the same file already. */
  otherOf(upload: Upload): Upload | undefined;
  /** Makes a restored upload known to intake, by its file, and to the pipeline, by its bytes. */
  know(upload: Upload): void;
  /** Goes on with an upload where it stands. */
  accept(upload: Upload): void;
  /** Takes in what is listed again: not all of it was listed before. */
  take(
    collected: AsyncIterable<Collected> | Iterable<Collected>,
    batchId: string,
    priority: Priority,
    isRelisted: true,
  ): Promise<unknown>;
  /** Takes an upload away that another tab goes on with. */
  drop(id: string): void;
  /** Cancels what is not stored yet. */
  cancel(target: { readonly id: string }): void;
}
