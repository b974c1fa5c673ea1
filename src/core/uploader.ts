import { toUploadError, UploadError } from '../errors/upload-error.ts';
import type { Hasher } from '../hashing/hasher.ts';
import type { Runtime, TimerHandle } from '../runtime/runtime.ts';
import type { UploadAdapter } from '../transports/adapter.ts';
import { Emitter } from './emitter.ts';
import { type AddInput, type Collected, collectFiles } from './intake/collect-files.ts';
import { mimeTypeOf, type Restrictions, refusalOf } from './intake/restrictions.ts';
import { Ledger } from './ledger.ts';
import { Pipeline } from './pipeline.ts';
import { takeSnapshot } from './snapshot.ts';
import type { EventOf, Snapshot, UploaderEventType } from './types.ts';
import { isEnded, isStored, newUpload, type Upload } from './upload-state.ts';

/** How often subscribers are told, at most. */
const SNAPSHOT_EVERY_MS = 100;
/** Intake gives way to the page after so long. */
const INTAKE_SLICE_MS = 12;

export interface UploaderParts {
  readonly adapter: UploadAdapter;
  readonly hasher: Hasher;
  readonly runtime: Runtime;
  readonly restrictions: Restrictions;
  readonly concurrency: number;
  readonly autoStart: boolean;
}

/** What `add()` made of its input. */
export interface AddResult {
  /** Uploads that were taken in. */
  readonly added: number;
  /** Files that restrictions refused or that could not be opened; each is an upload that ended as `rejected`. */
  readonly refused: number;
  /** Files that were there already: the same path, size and modification time. */
  readonly repeated: number;
}

/** Takes files from the page to the library. Made by `createUploader`. */
export class Uploader {
  readonly #parts: UploaderParts;
  readonly #emitter: Emitter;
  readonly #ledger: Ledger;
  readonly #pipeline: Pipeline;
  readonly #files = new Map<string, Blob>();
  /** Upload ids by path, size and modification time. */
  readonly #fingerprints = new Map<string, string>();
  readonly #listeners = new Set<() => void>();
  readonly #lifetime = new AbortController();
  #isStarted: boolean;
  #isPaused = false;
  #isPumpScheduled = false;
  #wasDrained = true;
  #intakes = 0;
  #snapshotTimer: TimerHandle | undefined;
  #isSnapshotStale = false;
  #snapshot: Snapshot;

  constructor(parts: UploaderParts) {
    this.#parts = parts;
    this.#isStarted = parts.autoStart;
    const { runtime, adapter } = parts;
    const onChange = () => this.#changed();
    this.#emitter = new Emitter(runtime);
    this.#ledger = new Ledger(runtime, this.#emitter, onChange);
    const context = {
      runtime,
      ledger: this.#ledger,
      emitter: this.#emitter,
      adapter,
      files: this.#files,
      signal: this.#lifetime.signal,
      wake: () => this.#wake(),
    };
    this.#pipeline = new Pipeline(context, {
      hasher: parts.hasher,
      putConcurrency: Math.min(parts.concurrency, adapter.capabilities.maxConcurrency),
      onWait: (wait) => {
        this.#emitter.emit({ type: 'lane-waited', wait });
        onChange();
      },
      onChange,
    });
    this.#emitter.on('upload-failed', ({ id }) => {
      const upload = this.#ledger.get(id);
      if (upload) this.#pipeline.ended(upload);
    });
    this.#snapshot = this.#takeSnapshot();
  }

  /**
   * Adds files, a drop or a picker's list; folders are walked. Resolves when all are taken in; the
   * first ones are uploaded meanwhile. A file that is there already is not added again, except that
   * one which failed or was cancelled is retried.
   */
  async add(input: AddInput): Promise<AddResult> {
    // Before the first await: a drop's DataTransfer is empty afterwards.
    const collected = collectFiles(input);
    const result = { added: 0, refused: 0, repeated: 0 };
    this.#intakes += 1;
    let sliceEndMs = this.#parts.runtime.now() + INTAKE_SLICE_MS;
    try {
      for await (const entry of collected) {
        result[this.#take(entry)] += 1;
        if (this.#parts.runtime.now() < sliceEndMs) continue;
        await this.#breathe();
        sliceEndMs = this.#parts.runtime.now() + INTAKE_SLICE_MS;
      }
    } finally {
      this.#intakes -= 1;
      this.#wake();
    }
    return result;
  }

  /** Begins, when `autoStart` is off. */
  start(): void {
    this.#isStarted = true;
    this.resume();
  }

  /** Starts nothing new. What is on its way arrives; server state and progress are kept. */
  pause(): void {
    this.#isPaused = true;
    this.#changed();
  }

  resume(): void {
    this.#isPaused = false;
    this.#changed();
    this.#wake();
  }

  /** Cancels everything that is not stored yet, or one upload. Stored files stay. */
  abort(id?: string): void {
    const targets = id === undefined ? [...this.#ledger.all()] : [this.#ledger.get(id)];
    for (const upload of targets) {
      if (!upload || isEnded(upload.status) || isStored(upload.status)) continue;
      this.#pipeline.ended(this.#ledger.apply(upload.id, { type: 'cancelled' }));
    }
    this.#wake();
  }

  /**
   * Tries a failed or cancelled upload again, first in line and with more attempts. One that failed
   * in processing is processed again by the server.
   *
   * @returns whether there was something to retry
   */
  retry(id: string): boolean {
    const upload = this.#ledger.get(id);
    if (!upload) return false;
    if (upload.status === 'processing-failed') {
      void this.#retryProcessing(id, upload.assetId);
      return true;
    }
    if ((upload.status !== 'dead' && upload.status !== 'cancelled') || !this.#files.has(id)) {
      return false;
    }
    this.#pipeline.accept(this.#ledger.apply(id, { type: 'retried' }));
    this.#wake();
    return true;
  }

  /** Retries all that failed. @returns how many */
  retryAll(): number {
    return [...this.#ledger.failures()].filter(({ id }) => this.retry(id)).length;
  }

  /** Immutable; the same object until something changed. */
  getSnapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Calls `listener` after changes, at most ten times a second. @returns the unsubscribe */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Listens to one kind of event. @returns the unsubscribe */
  on<T extends UploaderEventType>(type: T, listener: (event: EventOf<T>) => void): () => void {
    return this.#emitter.on(type, listener);
  }

  get(id: string): Upload | undefined {
    return this.#ledger.get(id);
  }

  /** All uploads in the order they were added. */
  uploads(): IterableIterator<Upload> {
    return this.#ledger.all();
  }

  /** Uploads that failed for good and can be retried, oldest first. */
  failures(): Upload[] {
    return [...this.#ledger.failures()];
  }

  /** Ends all work and listening. Stored files stay; the rest can be added again elsewhere. */
  destroy(): void {
    this.#lifetime.abort();
    this.#pipeline.dispose();
    this.#listeners.clear();
    this.#files.clear();
    if (this.#snapshotTimer !== undefined) this.#parts.runtime.clearTimer(this.#snapshotTimer);
  }

  #take(entry: Collected): keyof AddResult {
    if ('error' in entry) {
      const name = entry.path.split('/').at(-1) ?? entry.path;
      const file = new File([], name);
      const error = new UploadError('file_unreadable', 'The browser could not open it.', {
        cause: entry.error,
      });
      this.#refuse(file, entry.path, error);
      return 'refused';
    }
    const { file, path } = entry;
    const fingerprint = `${path}\n${file.size}\n${file.lastModified}`;
    const known = this.#fingerprints.get(fingerprint);
    if (known !== undefined) {
      if (this.#files.has(known)) this.#files.set(known, file);
      if (this.#ledger.get(known)?.status !== 'processing-failed') this.retry(known);
      return 'repeated';
    }
    const refusal = refusalOf(file, this.#parts.restrictions, this.#fingerprints.size);
    if (refusal) {
      this.#refuse(file, path, refusal);
      return 'refused';
    }
    const upload = this.#newUpload(file, path);
    this.#fingerprints.set(fingerprint, upload.id);
    this.#files.set(upload.id, file);
    this.#ledger.add(upload);
    this.#pipeline.accept(upload);
    this.#wake();
    return 'added';
  }

  #newUpload(file: File, path: string): Upload {
    return newUpload({
      id: this.#parts.runtime.uuid(),
      name: file.name,
      path,
      sizeBytes: file.size,
      mimeType: mimeTypeOf(file),
      lastModifiedMs: file.lastModified,
    });
  }

  #refuse(file: File, path: string, error: UploadError): void {
    const upload = this.#newUpload(file, path);
    this.#ledger.add(upload);
    this.#ledger.apply(upload.id, { type: 'refused', failure: error.toFailure() });
  }

  async #retryProcessing(id: string, assetId: string): Promise<void> {
    try {
      await this.#parts.adapter.retryProcessing?.(assetId, this.#lifetime.signal);
      const upload = this.#ledger.get(id);
      if (upload?.status !== 'processing-failed') return;
      this.#pipeline.tracker.accept(this.#ledger.apply(id, { type: 'retried' }));
      this.#wake();
    } catch (error) {
      if (this.#lifetime.signal.aborted) return;
      const failure = toUploadError(error).toFailure();
      this.#emitter.emit({ type: 'upload-failed', id, failure });
    }
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#parts.runtime.setTimer(resolve, 0));
  }

  #wake(): void {
    if (this.#isPumpScheduled || this.#lifetime.signal.aborted) return;
    this.#isPumpScheduled = true;
    queueMicrotask(() => {
      this.#isPumpScheduled = false;
      if (this.#lifetime.signal.aborted) return;
      const hasWork = this.#ledger.unfinished > 0 || this.#pipeline.tracker.pendingCount > 0;
      if (hasWork && this.#isStarted && !this.#isPaused) this.#pipeline.pump();
      this.#checkDrained(hasWork);
    });
  }

  #checkDrained(hasWork: boolean): void {
    const isDrained = !hasWork && this.#intakes === 0;
    if (isDrained && !this.#wasDrained) {
      this.#pipeline.tracker.stop();
      this.#emitter.emit({ type: 'uploads-drained' });
      this.#changed();
    }
    this.#wasDrained = isDrained;
  }

  #changed(): void {
    this.#isSnapshotStale = true;
    this.#snapshotTimer ??= this.#parts.runtime.setTimer(() => this.#flush(), SNAPSHOT_EVERY_MS);
  }

  #flush(): void {
    this.#snapshotTimer = undefined;
    if (!this.#isSnapshotStale) return;
    this.#isSnapshotStale = false;
    this.#snapshot = this.#takeSnapshot();
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#parts.runtime.reportError(error);
      }
    }
    // Speed falls and waits end without an event.
    if (this.#snapshot.state === 'running' || this.#snapshot.state === 'waiting') this.#changed();
  }

  #takeSnapshot(): Snapshot {
    return takeSnapshot(this.#ledger, this.#pipeline, {
      isPaused: this.#isPaused,
      isStarted: this.#isStarted,
    });
  }
}
