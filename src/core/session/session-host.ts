import type { Runtime } from '../../runtime/runtime.ts';
import type { UploadAdapter } from '../../transports/adapter.ts';
import type { AttemptLog } from '../attempt-log.ts';
import type { Emitter } from '../emitter.ts';
import type { FileShelf } from '../file-shelf.ts';
import type { Ledger } from '../ledger.ts';
import type { Snapshot } from '../types.ts';
import type { Upload } from '../upload-state.ts';

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
  snapshot(): Snapshot;
  /** Nothing counts as finished until the returned function is called. */
  begin(): () => void;
  /** The upload by which this page has the same file already. */
  otherOf(upload: Upload): Upload | undefined;
  /** Makes a restored upload known to intake, by its file, and to the pipeline, by its bytes. */
  know(upload: Upload): void;
  /** Goes on with an upload where it stands. */
  accept(upload: Upload): void;
  /** Lists a folder again: not all of it was listed before. */
  list(handle: FileSystemHandle, batchId: string): Promise<unknown>;
  /** Takes an upload away that another tab goes on with. */
  drop(id: string): void;
  /** Cancels what is not stored yet. */
  cancel(id: string): void;
  onChange(): void;
  /** Shows the change at once: somebody waited for it. */
  refresh(): void;
}
