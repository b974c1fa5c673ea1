import { toUploadError, type UploadError } from '../errors/upload-error.ts';
import type { Hasher } from '../hashing/hasher.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Journal } from '../storage/journal.ts';
import type { UploadStorage } from '../storage/upload-storage.ts';
import type { UploadAdapter } from '../transports/adapter.ts';
import { AttemptLog } from './attempt-log.ts';
import { Brake } from './brake.ts';
import { DeadLetters } from './dead-letters.ts';
import type { Diagnosis } from './diagnosis/diagnosis.ts';
import { Emitter } from './emitter.ts';
import { FileShelf } from './file-shelf.ts';
import { type AddInput, type Collected, collectFiles } from './intake/collect-files.ts';
import type { FileMatch } from './intake/file-matcher.ts';
import { type AddOptions, type AddResult, Intake } from './intake/intake.ts';
import type { Restrictions } from './intake/restrictions.ts';
import { Ledger } from './ledger.ts';
import { type ManifestEntry, manifestOf, manifestToCsv } from './manifest.ts';
import { Pipeline } from './pipeline.ts';
import type { Order } from './row-queue.ts';
import type { SessionSettings } from './session/session-host.ts';
import { SessionKeeper } from './session/session-keeper.ts';
import type { Sessions } from './session/sessions.ts';
import { takeSnapshot } from './snapshot.ts';
import { SnapshotFeed } from './snapshot-feed.ts';
import { StopGuard } from './stop-guard.ts';
import { Telemetry, type TelemetryReport, type TelemetrySink } from './telemetry/telemetry.ts';
import { createTrace } from './telemetry/trace.ts';
import type { EventOf, Snapshot, StopReason, UploaderEventType } from './types.ts';
import { isEnded, isStored, type Priority, type Upload } from './upload-state.ts';

/** Intake gives way to the page after so long. */
const INTAKE_SLICE_MS = 12;

export interface UploaderParts {
  readonly adapter: UploadAdapter;
  readonly hasher: Hasher;
  readonly runtime: Runtime;
  readonly restrictions: Restrictions;
  /** PUTs at once, at most. */
  readonly concurrency: number;
  readonly order: Order;
  readonly maxBytesPerSecond: number | null;
  readonly autoStart: boolean;
  readonly onUnauthenticated: (() => Promise<void>) | undefined;
  readonly telemetry: TelemetrySink | undefined;
  readonly session: SessionSettings;
  /** @param onDegraded called when the journal goes over to memory */
  readonly openStorage: (onDegraded: (error: Error) => void) => UploadStorage;
}

/** What was wrong was the file: one that is added at the same place takes its place. */
const FILE_CODES: ReadonlySet<string> = new Set(['file_changed', 'file_unreadable']);

/** The store lost it after it was finalized: the same bytes mend it. */
const isLost = (upload: Upload): boolean =>
  upload.status === 'processing-failed' && upload.failure.code === 'missing_blob';

const isSpoiled = (upload: Upload | undefined): boolean =>
  upload?.status === 'rejected' ||
  (upload?.status === 'dead' && FILE_CODES.has(upload.failure.code));

/** What `pause`, `resume` and `abort` act upon: one upload, or a batch. Without it: everything. */
export type Target = { readonly id: string } | { readonly batchId: string };

/**
 * Takes files from the page to the library. Made by `createUploader`. One file, though a long one: it is
 * the whole public surface, and each method only tells a part what to do.
 */
export class Uploader {
  /** What failed for good: list, redrive, export, clear. */
  readonly deadLetters: DeadLetters;
  readonly #sessions: SessionKeeper;
  readonly #parts: UploaderParts;
  readonly #emitter: Emitter;
  readonly #ledger: Ledger;
  readonly #pipeline: Pipeline;
  readonly #intake: Intake;
  readonly #telemetry: Telemetry;
  readonly #snapshots: SnapshotFeed;
  readonly #attemptLog = new AttemptLog();
  readonly #brake = new Brake();
  readonly #stops: StopGuard;
  readonly #files = new FileShelf();
  /** Uploads that failed for what their file was, by path. */
  readonly #spoiled = new Map<string, string>();
  readonly #lifetime = new AbortController();
  readonly #journal: Journal;
  readonly #waiters: ((snapshot: Snapshot) => void)[] = [];
  #stopTracing: (() => void) | undefined;
  #isStarted: boolean;
  #isPumpScheduled = false;
  /** Requests to the server to process an asset again. */
  #redrives = 0;
  #wasDrained = true;
  /** Intakes and restorations under way. */
  #intakes = 0;

  constructor(parts: UploaderParts) {
    this.#parts = parts;
    this.#isStarted = parts.autoStart;
    const { runtime, adapter } = parts;
    const onChange = () => this.#snapshots.changed();
    const emitter = new Emitter(runtime);
    this.#emitter = emitter;
    this.#ledger = new Ledger(runtime, emitter, onChange);
    this.#stops = new StopGuard({
      runtime,
      brake: this.#brake,
      emitter,
      onUnauthenticated: parts.onUnauthenticated,
      onChange: () => {
        onChange();
        this.#wake();
      },
    });
    this.#telemetry = new Telemetry(runtime, parts.telemetry);
    const attemptLog = this.#attemptLog;
    const context = {
      runtime,
      ledger: this.#ledger,
      emitter,
      adapter,
      telemetry: this.#telemetry,
      attemptLog,
      order: parts.order,
      files: this.#files,
      signal: this.#lifetime.signal,
      wake: () => this.#wake(),
      stop: (reason: StopReason, error: UploadError, askedMs: number) =>
        this.#stops.stop(reason, error, askedMs),
      apiSucceeded: () => this.#stops.apiSucceeded(),
      isPaused: (id: string) => this.#brake.isPaused(id),
    };
    const storage = parts.openStorage((error) => emitter.emit({ type: 'journal-degraded', error }));
    this.#journal = storage.journal;
    this.#sessions = new SessionKeeper(
      {
        ...context,
        snapshot: () => this.#snapshots.current,
        begin: () => this.#begin(),
        otherOf: (upload) => this.#ledger.get(this.#intake.otherOf(upload) ?? ''),
        know: (upload) => {
          this.#intake.know(upload);
          this.#pipeline.restored(upload);
        },
        accept: (upload) => this.#accept(upload),
        list: (handle, batchId) => this.#take(collectFiles(handle), batchId, 'normal', true),
        drop: (id) => {
          this.abort({ id });
          this.#remove(id);
        },
        cancel: (id) => this.abort({ id }),
        onChange,
        refresh: () => this.#snapshots.refresh(),
      },
      storage,
      parts.session,
    );
    const stages = {
      ...context,
      checksums: this.#sessions.checksums,
      detach: (id: string) => this.#detach(id),
      hasLostPermission: (id: string, error: UploadError) => this.#hasLostPermission(id, error),
    };
    this.#pipeline = new Pipeline(stages, {
      hasher: parts.hasher,
      maxConcurrency: Math.min(parts.concurrency, adapter.capabilities.maxConcurrency),
      onWait: (wait) => {
        if (wait.kind === 'rate_limit') this.#telemetry.throttled();
        emitter.emit({ type: 'lane-waited', wait });
        onChange();
      },
      onChange,
    });
    this.#pipeline.setBandwidthCap(parts.maxBytesPerSecond);
    this.#intake = new Intake({
      runtime,
      restrictions: parts.restrictions,
      accepted: (upload, file) => {
        this.#replaceSpoiled(upload.path);
        this.#files.put(upload.id, file);
        this.#ledger.add(upload);
        this.#pipeline.accept(upload);
        // The first file starts the work; after that once per slice of intake is enough.
        if (this.#wasDrained) this.#wake();
      },
      refused: (upload, error) => {
        this.#replaceSpoiled(upload.path);
        this.#ledger.add(upload);
        this.#ledger.apply(upload.id, { type: 'refused', failure: error.toFailure() });
      },
      repeated: (match, file, isRelisted) => this.#addedAgain(match, file, isRelisted),
      isDetached: (id) => this.#ledger.get(id)?.status === 'detached',
    });
    this.deadLetters = new DeadLetters({
      ledger: this.#ledger,
      emitter,
      timeline: this.#ledger.timeline,
      attemptLog,
      retry: (id) => this.retry(id),
      canRetry: (upload) => this.#canRetry(upload),
      remove: (id) => this.#remove(id),
    });
    emitter.on('upload-failed', ({ id }) => {
      const upload = this.#ledger.get(id);
      if (upload) this.#pipeline.ended(upload);
    });
    // Those of an earlier page come with their failure.
    emitter.on('upload-added', ({ upload }) => this.#noteSpoiled(upload));
    emitter.on('upload-changed', ({ upload }) => {
      this.#noteSpoiled(upload);
      if (upload.status === 'detached') this.#intake.know(upload);
    });
    emitter.on('upload-searchable', ({ id }) => this.#timeWholeWay(id));
    this.#snapshots = new SnapshotFeed(runtime, () => {
      const { isOn: isPaused, stop } = this.#brake;
      return takeSnapshot(this.#ledger, this.#pipeline, {
        isPaused,
        stop,
        isStarted: this.#isStarted,
        survivesReload: this.#sessions.survivesReload,
      });
    });
    this.#snapshots.subscribe(() => this.#sessions.changed());
  }

  /** What earlier pages, and other tabs, began in this browser. */
  get sessions(): Sessions {
    return this.#sessions;
  }

  /**
   * Adds files, a drop, handles or a picker's list; folders are walked. Resolves when all are taken
   * in; the first ones are uploaded meanwhile. A file that is there already is not added again, except
   * that one which failed or was cancelled is retried.
   */
  async add(input: AddInput, { priority = 'normal' }: AddOptions = {}): Promise<AddResult> {
    // Before the first await: a drop's DataTransfer is empty afterwards.
    const batchId = this.#parts.runtime.uuid();
    const collected = collectFiles(input, (root) => this.#sessions.given(batchId, root));
    return this.#take(collected, batchId, priority);
  }

  /** Begins, when `autoStart` is off. */
  start(): void {
    this.#isStarted = true;
    this.resume();
  }

  /**
   * Starts nothing new; what is on its way arrives. Of a target, also what is on its way is taken back,
   * to be sent anew when it is resumed. Server state and progress are kept.
   */
  pause(target?: Target): void {
    if (target === undefined) {
      this.#brake.pauseAll();
    } else {
      for (const upload of this.#unstored(target)) {
        this.#brake.pause(upload.id);
        this.#pipeline.interrupt(upload);
      }
    }
    this.#snapshots.changed();
  }

  /** Goes on: with everything, or with a target that was paused. */
  resume(target?: Target): void {
    const ids =
      target === undefined
        ? this.#brake.resumeAll()
        : this.#unstored(target).flatMap(({ id }) => (this.#brake.resume(id) ? [id] : []));
    for (const id of ids) {
      const upload = this.#ledger.get(id);
      if (upload) this.#pipeline.accept(upload);
    }
    if (target === undefined) {
      this.#stops.mended();
      this.#pipeline.resetLanes();
    }
    this.#snapshots.changed();
    this.#wake();
  }

  /** Cancels what is not stored yet. Stored files stay. */
  abort(target?: Target): void {
    for (const { id } of this.#unstored(target)) {
      this.#brake.resume(id);
      this.#pipeline.ended(this.#ledger.apply(id, { type: 'cancelled' }));
    }
    this.#wake();
  }

  /** Sends these before all others. */
  boost(target: Target): void {
    for (const { id } of this.#unstored(target)) {
      this.#pipeline.accept(this.#ledger.apply(id, { type: 'boosted' }));
    }
    this.#wake();
  }

  /** Holds the mean speed below so many bytes per second; null for no cap. */
  setMaxBytesPerSecond(bytesPerSecond: number | null): void {
    this.#pipeline.setBandwidthCap(bytesPerSecond);
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
    if (!upload || !this.#canRetry(upload)) return false;
    this.#brake.resume(id);
    if (upload.status === 'processing-failed') {
      void this.#retryProcessing(id, upload.assetId);
      return true;
    }
    this.#attemptLog.forgive(id);
    this.#pipeline.accept(this.#ledger.apply(id, { type: 'retried' }));
    this.#wake();
    return true;
  }

  /** Retries all that failed. @returns how many */
  retryAll(): number {
    return this.deadLetters.redrive('all');
  }

  /** Resolves when nothing is left to do, with the snapshot of that moment; at once when idle. */
  done(): Promise<Snapshot> {
    if (!this.#hasWork && this.#intakes === 0) return Promise.resolve(this.#snapshots.refresh());
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** What became of each file, of a batch or of all, in the order they were added. */
  manifest(batchId?: string): ManifestEntry[] {
    return manifestOf(
      this.#chosen(batchId === undefined ? undefined : { batchId }),
      this.#ledger.timeline,
    );
  }

  /** The manifest as text. CSV has a header line and times in ISO 8601. */
  exportManifest(format: 'json' | 'csv', batchId?: string): string {
    const entries = this.manifest(batchId);
    return format === 'csv' ? manifestToCsv(entries) : JSON.stringify(entries, null, 2);
  }

  /** Latencies of each stage, retries by cause, and how fast it goes. */
  telemetry(): TelemetryReport {
    return this.#telemetry.report(this.#ledger.bytesPerSecond(), this.#pipeline.concurrency);
  }

  /**
   * Looks at each step of an upload with a file of a few bytes (browser, storage, credentials, clocks, CORS,
   * events), and says what to change. It takes one token of the rate limit; a backend that verifies uploads
   * keeps nothing of the file. Rejects never.
   */
  async diagnose(): Promise<Diagnosis> {
    const { adapter, runtime, hasher } = this.#parts;
    const { signal } = this.#lifetime;
    try {
      const { diagnose } = await import('./diagnosis/diagnose.ts');
      return await diagnose({ adapter, runtime, hasher, journal: this.#journal, signal });
    } catch (error) {
      const detail = `The diagnosis itself failed: ${String(error)}`;
      const fix = 'Look whether the browser is online, and reload the page.';
      return {
        ok: false,
        checks: [{ name: 'page', status: 'failed', detail, fix, durationMs: 0 }],
      };
    }
  }

  /** Writes every change of every upload, one line each. Default: to `console.debug`. */
  trace(isOn: boolean, write?: (line: string) => void): void {
    this.#stopTracing?.();
    this.#stopTracing = isOn ? createTrace(this.#emitter, this.#parts.runtime, write) : undefined;
  }

  /** Immutable; the same object until something changed. */
  getSnapshot(): Snapshot {
    return this.#snapshots.current;
  }

  /** Calls `listener` after changes, at most ten times a second. @returns the unsubscribe */
  subscribe(listener: () => void): () => void {
    return this.#snapshots.subscribe(listener);
  }

  /** Listens to one kind of event. @returns the unsubscribe */
  on<T extends UploaderEventType>(type: T, listener: (event: EventOf<T>) => void): () => void {
    return this.#emitter.on(type, listener);
  }

  get(id: string): Upload | undefined {
    return this.#ledger.get(id);
  }

  /**
   * The file of an upload, for a preview: while this page has it at hand, and it is not stored yet.
   *
   * @returns undefined once it is stored, and for files that would have to be opened or copied first
   */
  fileOf(id: string): Blob | undefined {
    return this.#files.atHand(id);
  }

  /** All uploads in the order they were added. */
  uploads(): IterableIterator<Upload> {
    return this.#ledger.all();
  }

  /** Uploads that failed for good, oldest first; those that were refused are among them. */
  failures(): Upload[] {
    return [...this.#ledger.failures()];
  }

  /** Ends all work and listening. Stored files stay; the rest can be added again elsewhere. */
  destroy(): void {
    this.#lifetime.abort();
    for (const resolve of this.#waiters.splice(0)) resolve(this.#snapshots.current);
    this.#pipeline.dispose();
    this.#sessions.dispose().catch((error: unknown) => this.#parts.runtime.reportError(error));
    this.#parts.hasher.dispose?.();
    this.#stopTracing?.();
    this.#snapshots.dispose();
    this.#files.clear();
  }

  #chosen(target: Target | undefined): Iterable<Upload> {
    if (target === undefined) return this.#ledger.all();
    if ('id' in target) {
      const upload = this.#ledger.get(target.id);
      return upload ? [upload] : [];
    }
    return [...this.#ledger.all()].filter(({ batchId }) => batchId === target.batchId);
  }

  #unstored(target: Target | undefined): Upload[] {
    return [...this.#chosen(target)].filter(({ status }) => !isEnded(status) && !isStored(status));
  }

  /** What is wrong with the file itself would be wrong again. */
  #canRetry(upload: Upload): boolean {
    if (upload.status === 'processing-failed') {
      const { retryProcessing } = this.#parts.adapter;
      return retryProcessing !== undefined && upload.failure.kind !== 'invalid';
    }
    return upload.status === 'dead' || upload.status === 'cancelled';
  }

  async #take(
    collected: AsyncIterable<Collected> | Iterable<Collected>,
    batchId: string,
    priority: Priority,
    isRelisted = false,
  ): Promise<AddResult> {
    const { runtime } = this.#parts;
    const counts = { added: 0, refused: 0, repeated: 0 };
    const end = this.#begin();
    const listed = this.#sessions.listing();
    let sliceEndMs = runtime.now() + INTAKE_SLICE_MS;
    try {
      for await (const entry of collected) {
        if (this.#lifetime.signal.aborted) break;
        counts[this.#intake.take(entry, batchId, priority, isRelisted)] += 1;
        if (runtime.now() < sliceEndMs) continue;
        this.#wake();
        await runtime.yieldToPage();
        sliceEndMs = runtime.now() + INTAKE_SLICE_MS;
      }
    } finally {
      listed();
      end();
    }
    return { batchId, ...counts };
  }

  /** Nothing counts as finished until the returned function is called. */
  #begin(): () => void {
    this.#intakes += 1;
    return () => {
      this.#intakes -= 1;
      this.#wake();
    };
  }

  #accept(upload: Upload): void {
    this.#pipeline.accept(upload);
    this.#wake();
  }

  #addedAgain({ id, isSame }: FileMatch, file: File, isRelisted: boolean): void {
    const upload = this.#ledger.get(id);
    if (!upload) return;
    if (!isRelisted) this.#sessions.recognised(id);
    if (isStored(upload.status)) {
      if (!isRelisted && isSame && isLost(upload)) {
        this.#files.put(id, file);
        this.#pipeline.mend(this.#ledger.apply(id, { type: 'bytes-missing' }));
        this.#wake();
      }
      return;
    }
    if (upload.status === 'detached') {
      this.#intake.forget(upload);
      this.#sessions.files.found(upload, file, isSame, file.lastModified);
      const found = this.#ledger.get(id);
      if (found) this.#intake.know(found);
      return;
    }
    if (isRelisted) return;
    if (upload.status !== 'rejected') this.#files.put(id, file);
    this.retry(id);
  }

  /** This page cannot read the file: the upload waits for a person, and what waited for it goes first. */
  #detach(id: string): void {
    const upload = this.#ledger.get(id);
    if (!upload) return;
    this.#files.delete(id);
    const needs = this.#sessions.files.needOf(upload);
    this.#pipeline.ended(this.#ledger.apply(id, { type: 'file-lost', needs }));
    this.#wake();
  }

  #hasLostPermission(id: string, { cause }: UploadError): boolean {
    const upload = this.#ledger.get(id);
    const isPermission = cause instanceof DOMException && cause.name === 'NotAllowedError';
    return isPermission && upload !== undefined && this.#sessions.files.lostPermission(upload);
  }

  /** Another file of that path takes the place of one that failed for what it was. */
  #replaceSpoiled(path: string): void {
    const id = this.#spoiled.get(path);
    if (id !== undefined && isSpoiled(this.#ledger.get(id))) this.#remove(id);
  }

  #noteSpoiled(upload: Upload): void {
    if (isSpoiled(upload)) this.#spoiled.set(upload.path, upload.id);
    else if (this.#spoiled.get(upload.path) === upload.id) this.#spoiled.delete(upload.path);
  }

  #remove(id: string): void {
    const upload = this.#ledger.get(id);
    if (!upload || !isEnded(upload.status)) return;
    this.#ledger.remove(id);
    this.#files.delete(id);
    this.#attemptLog.forget(id);
    this.#intake.forget(upload);
    if (this.#spoiled.get(upload.path) === id) this.#spoiled.delete(upload.path);
  }

  async #retryProcessing(id: string, assetId: string): Promise<void> {
    this.#redrives += 1;
    try {
      await this.#parts.adapter.retryProcessing?.(assetId, this.#lifetime.signal);
      if (this.#ledger.get(id)?.status !== 'processing-failed') return;
      this.#pipeline.tracker.accept(this.#ledger.apply(id, { type: 'retried' }));
    } catch (error) {
      if (this.#lifetime.signal.aborted) return;
      const failure = toUploadError(error).toFailure();
      this.#emitter.emit({ type: 'upload-failed', id, failure });
    } finally {
      this.#redrives -= 1;
      this.#wake();
    }
  }

  #timeWholeWay(id: string): void {
    const times = this.#ledger.timeline.of(id);
    if (!times) return;
    const { runtime } = this.#parts;
    const offsetMs = runtime.now() - runtime.epochNow();
    const end = { uploadId: id, outcome: 'ok' } as const;
    this.#telemetry.span('total', times.addedMs + offsetMs, end);
    if (times.finalizedMs !== undefined) {
      this.#telemetry.span('processing', times.finalizedMs + offsetMs, end);
    }
  }

  #wake(): void {
    if (this.#isPumpScheduled || this.#lifetime.signal.aborted) return;
    this.#isPumpScheduled = true;
    queueMicrotask(() => {
      this.#isPumpScheduled = false;
      if (this.#lifetime.signal.aborted) return;
      if (this.#hasWork && this.#isStarted && !this.#brake.isOn) this.#pipeline.pump();
      this.#checkDrained();
    });
  }

  get #hasWork(): boolean {
    const { unfinished } = this.#ledger;
    return unfinished > 0 || this.#pipeline.tracker.pendingCount > 0 || this.#redrives > 0;
  }

  #checkDrained(): void {
    const isDrained = !this.#hasWork && this.#intakes === 0;
    const isNew = isDrained && !this.#wasDrained;
    this.#wasDrained = isDrained;
    if (isNew) {
      this.#pipeline.tracker.stop();
      this.#emitter.emit({ type: 'uploads-drained' });
    }
    // Whoever asked while files were listed of which none had to be sent waits as well.
    if (!isDrained || (!isNew && this.#waiters.length === 0)) return;
    const snapshot = this.#snapshots.refresh();
    for (const resolve of this.#waiters.splice(0)) resolve(snapshot);
  }
}
