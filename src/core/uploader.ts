import type { DeadLetters } from './dead-letters.ts';
import type { Diagnosis } from './diagnosis/diagnosis.ts';
import { Engine, type EngineOptions } from './engine.ts';
import { type AddInput, collectFiles } from './intake/collect-files.ts';
import type { AddOptions, AddResult } from './intake/intake.ts';
import { type ManifestEntry, manifestOf, manifestToCsv } from './manifest.ts';
import type { Sessions } from './session/sessions.ts';
import { type Target, unstoredOf, uploadsOf } from './target.ts';
import type { TelemetryReport } from './telemetry/telemetry.ts';
import { createTrace } from './telemetry/trace.ts';
import type { EventOf, Snapshot, UploaderEventType } from './types.ts';
import type { Upload } from './upload-state.ts';

/** Takes files from the page to the library. Made by `createUploader`. */
export class Uploader {
  /** What failed for good: list, redrive, export, clear. */
  readonly deadLetters: DeadLetters;
  readonly #engine: Engine;
  #stopTracing: (() => void) | undefined;

  constructor(options: EngineOptions) {
    this.#engine = new Engine(options);
    this.deadLetters = this.#engine.deadLetters;
  }

  /** What earlier pages, and other tabs, began in this browser. */
  get sessions(): Sessions {
    return this.#engine.sessions;
  }

  /**
   * Adds files, a drop, handles or a picker's list; folders are walked. Resolves when all are taken
   * in; the first ones are uploaded meanwhile. A file that is there already is not added again, except
   * that one which failed or was cancelled is retried.
   */
  async add(input: AddInput, { priority = 'normal' }: AddOptions = {}): Promise<AddResult> {
    const engine = this.#engine;
    // Before the first await: a drop's DataTransfer is empty afterwards.
    const batchId = engine.runtime.uuid();
    const collected = collectFiles(input, (root) => engine.sessions.given(batchId, root));
    return this.#engine.take(collected, batchId, priority);
  }

  /** Begins, when `autoStart` is off. */
  start(): void {
    this.#engine.work.isStarted = true;
    this.resume();
  }

  /**
   * Starts nothing new; what is on its way arrives. Of a target, also what is on its way is taken back,
   * to be sent anew when it is resumed. Server state and progress are kept.
   */
  pause(target?: Target): void {
    const engine = this.#engine;
    if (target === undefined) {
      engine.brake.pauseAll();
    } else {
      for (const upload of unstoredOf(engine.ledger, target)) {
        engine.brake.pause(upload.id);
        engine.pipeline.interrupt(upload);
      }
    }
    engine.snapshots.changed();
  }

  /** Goes on: with everything, or with a target that was paused. */
  resume(target?: Target): void {
    const engine = this.#engine;
    const ids =
      target === undefined
        ? engine.brake.resumeAll()
        : unstoredOf(engine.ledger, target).flatMap(({ id }) =>
            engine.brake.resume(id) ? [id] : [],
          );
    for (const id of ids) {
      const upload = engine.ledger.get(id);
      if (upload) engine.pipeline.accept(upload);
    }
    if (target === undefined) {
      engine.stops.mended();
      engine.pipeline.resetLanes();
    }
    engine.snapshots.changed();
    engine.work.wake();
  }

  /** Cancels what is not stored yet. Stored files stay. */
  abort(target?: Target): void {
    this.#engine.cancel(target);
  }

  /** Sends these before all others. */
  boost(target: Target): void {
    const engine = this.#engine;
    for (const { id } of unstoredOf(engine.ledger, target)) {
      engine.pipeline.accept(engine.ledger.apply(id, { type: 'boosted' }));
    }
    engine.work.wake();
  }

  /** Holds the mean speed below so many bytes per second; null for no cap. */
  setMaxBytesPerSecond(bytesPerSecond: number | null): void {
    const engine = this.#engine;
    engine.pipeline.setBandwidthCap(bytesPerSecond);
    engine.work.wake();
  }

  /**
   * Tries a failed or cancelled upload again, first in line and with more attempts. One that failed
   * in processing is processed again by the server.
   *
   * @returns whether there was something to retry
   */
  retry(id: string): boolean {
    return this.#engine.retries.retry(id);
  }

  /** Retries all that failed. @returns how many */
  retryAll(): number {
    return this.deadLetters.redrive('all');
  }

  /** Resolves when nothing is left to do, with the snapshot of that moment; at once when idle. */
  done(): Promise<Snapshot> {
    return this.#engine.work.done();
  }

  /** What became of each file, of a batch or of all, in the order they were added. */
  manifest(batchId?: string): ManifestEntry[] {
    const engine = this.#engine;
    const target = batchId === undefined ? undefined : { batchId };
    return manifestOf(uploadsOf(engine.ledger, target), engine.ledger.timeline);
  }

  /** The manifest as text. CSV has a header line and times in ISO 8601. */
  exportManifest(format: 'json' | 'csv', batchId?: string): string {
    const entries = this.manifest(batchId);
    return format === 'csv' ? manifestToCsv(entries) : JSON.stringify(entries, null, 2);
  }

  /** Latencies of each stage, retries by cause, and how fast it goes. */
  telemetry(): TelemetryReport {
    const engine = this.#engine;
    return engine.telemetry.report(engine.ledger.bytesPerSecond(), engine.pipeline.concurrency);
  }

  /**
   * Looks at each step of an upload with a file of a few bytes (browser, storage, credentials, clocks, CORS,
   * events), and says what to change. It takes one token of the rate limit; a backend that verifies uploads
   * keeps nothing of the file. Rejects never.
   */
  async diagnose(): Promise<Diagnosis> {
    try {
      const { diagnose } = await import('./diagnosis/diagnose.ts');
      return await diagnose(this.#engine);
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
    const engine = this.#engine;
    this.#stopTracing?.();
    this.#stopTracing = isOn ? createTrace(engine.emitter, engine.runtime, write) : undefined;
  }

  /** Immutable; the same object until something changed. */
  getSnapshot(): Snapshot {
    return this.#engine.snapshots.current;
  }

  /** Calls `listener` after changes, at most ten times a second. @returns the unsubscribe */
  subscribe(listener: () => void): () => void {
    return this.#engine.snapshots.subscribe(listener);
  }

  /** Listens to one kind of event. @returns the unsubscribe */
  on<T extends UploaderEventType>(type: T, listener: (event: EventOf<T>) => void): () => void {
    return this.#engine.emitter.on(type, listener);
  }

  get(id: string): Upload | undefined {
    return this.#engine.ledger.get(id);
  }

  /**
   * The file of an upload, for a preview: while this page has it at hand, and it is not stored yet.
   *
   * @returns undefined once it is stored, and for files that would have to be opened or copied first
   */
  fileOf(id: string): Blob | undefined {
    return this.#engine.files.atHand(id);
  }

  /** All uploads in the order they were added. */
  uploads(): IterableIterator<Upload> {
    return this.#engine.ledger.all();
  }

  /** Uploads that failed for good, oldest first; those that were refused are among them. */
  failures(): Upload[] {
    return [...this.#engine.ledger.failures()];
  }

  /** Ends all work and listening. Stored files stay; the rest can be added again elsewhere. */
  destroy(): void {
    this.#engine.dispose();
    this.#stopTracing?.();
  }
}
