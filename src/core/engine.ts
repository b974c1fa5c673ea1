import type { UploadError } from '../errors/upload-error.ts';
import type { Hasher } from '../hashing/hasher.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Journal } from '../storage/journal.ts';
import type { UploadStorage } from '../storage/upload-storage.ts';
import type { UploadAdapter } from '../transports/adapter.ts';
import { AttemptLog } from './attempt-log.ts';
import { Brake } from './brake.ts';
import { DeadLetters } from './dead-letters.ts';
import { Emitter } from './emitter.ts';
import { FileShelf } from './file-shelf.ts';
import type { Collected } from './intake/collect-files.ts';
import { givenAgain } from './intake/given-again.ts';
import { type AddResult, Intake } from './intake/intake.ts';
import type { Restrictions } from './intake/restrictions.ts';
import { SpoiledFiles } from './intake/spoiled-files.ts';
import { Ledger } from './ledger.ts';
import { Pipeline } from './pipeline.ts';
import { Retries } from './retries.ts';
import type { Order } from './row-queue.ts';
import type { SessionHost, SessionSettings } from './session/session-host.ts';
import { SessionKeeper } from './session/session-keeper.ts';
import { takeSnapshot } from './snapshot.ts';
import { SnapshotFeed } from './snapshot-feed.ts';
import type { ChecksumMemory, StageContext } from './stages/stage.ts';
import { StopGuard } from './stop-guard.ts';
import { type Target, unstoredOf } from './target.ts';
import { Telemetry, type TelemetrySink } from './telemetry/telemetry.ts';
import { timeWholeWay } from './telemetry/whole-way.ts';
import { isEnded, type Priority, type Upload } from './upload-state.ts';
import { WorkLoop } from './work-loop.ts';

export interface EngineOptions {
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

/**
 * The parts of one uploader, joined: what one of them has to tell, and which others it concerns. Each is given
 * the engine; what it needs of it, the interface says that it takes.
 */
export class Engine implements StageContext, SessionHost {
  readonly runtime: Runtime;
  readonly adapter: UploadAdapter;
  readonly hasher: Hasher;
  readonly order: Order;
  readonly journal: Journal;
  readonly emitter: Emitter;
  readonly ledger: Ledger;
  readonly attemptLog = new AttemptLog();
  readonly brake = new Brake();
  readonly files = new FileShelf();
  readonly telemetry: Telemetry;
  readonly stops: StopGuard;
  readonly work: WorkLoop;
  readonly sessions: SessionKeeper;
  readonly checksums: ChecksumMemory;
  readonly pipeline: Pipeline;
  readonly retries: Retries;
  readonly intake: Intake;
  readonly deadLetters: DeadLetters;
  readonly snapshots: SnapshotFeed;
  readonly #lifetime = new AbortController();
  readonly signal = this.#lifetime.signal;
  readonly onChange = (): void => this.snapshots.changed();
  readonly wake = (): void => this.work.wake();

  constructor(options: EngineOptions) {
    const { runtime } = options;
    this.runtime = runtime;
    this.adapter = options.adapter;
    this.hasher = options.hasher;
    this.order = options.order;
    const emitter = new Emitter(runtime);
    const ledger = new Ledger(runtime, emitter, this.onChange);
    this.emitter = emitter;
    this.ledger = ledger;
    this.telemetry = new Telemetry(runtime, options.telemetry);
    this.stops = new StopGuard(this, options.onUnauthenticated);
    this.work = new WorkLoop(this, options.autoStart);
    const storage = options.openStorage((error) =>
      emitter.emit({ type: 'journal-degraded', error }),
    );
    this.journal = storage.journal;
    this.sessions = new SessionKeeper(this, storage, options.session);
    this.checksums = this.sessions.checksums;
    this.pipeline = new Pipeline(this, options.hasher, options.concurrency);
    this.pipeline.setBandwidthCap(options.maxBytesPerSecond);
    this.retries = new Retries(this);
    const spoiled = new SpoiledFiles(this);
    this.intake = new Intake(this, {
      restrictions: options.restrictions,
      accepted: (upload, file) => {
        spoiled.replace(upload.path);
        this.files.put(upload.id, file);
        ledger.add(upload);
        this.pipeline.accept(upload);
        // The first file starts the work; after that once per slice of intake is enough.
        if (this.work.wasDrained) this.wake();
      },
      refused: (upload, error) => {
        spoiled.replace(upload.path);
        ledger.add(upload);
        ledger.apply(upload.id, { type: 'refused', failure: error.toFailure() });
      },
      repeated: (match, file, isRelisted) => givenAgain(this, match, file, isRelisted),
    });
    this.deadLetters = new DeadLetters(this);
    emitter.on('upload-failed', ({ id }) => {
      const upload = ledger.get(id);
      if (upload) this.pipeline.ended(upload);
    });
    emitter.on('upload-changed', ({ upload }) => {
      if (upload.status === 'detached') this.intake.know(upload);
    });
    timeWholeWay(this);
    this.snapshots = new SnapshotFeed(runtime, () => takeSnapshot(this));
    this.snapshots.subscribe(() => this.sessions.changed());
  }

  /** Takes files in. */
  async take(
    collected: AsyncIterable<Collected> | Iterable<Collected>,
    batchId: string,
    priority: Priority,
    isRelisted = false,
  ): Promise<AddResult> {
    const end = this.work.begin();
    const listed = this.sessions.listing();
    try {
      return await this.intake.takeAll(collected, batchId, priority, isRelisted);
    } finally {
      listed();
      end();
    }
  }

  /** Cancels what is not stored yet. */
  cancel(target: Target | undefined): void {
    for (const { id } of unstoredOf(this.ledger, target)) {
      this.brake.resume(id);
      this.pipeline.ended(this.ledger.apply(id, { type: 'cancelled' }));
    }
    this.wake();
  }

  /** Forgets an upload that has ended. */
  remove(id: string): void {
    const upload = this.ledger.get(id);
    if (!upload || !isEnded(upload.status)) return;
    this.ledger.remove(id);
    this.pipeline.removed(id);
    this.files.delete(id);
    this.attemptLog.forget(id);
    this.intake.forget(upload);
  }

  drop(id: string): void {
    this.pipeline.handOver(id);
    this.cancel({ id });
    this.remove(id);
  }

  accept(upload: Upload): void {
    this.pipeline.accept(upload);
    this.wake();
  }

  otherOf(upload: Upload): Upload | undefined {
    return this.ledger.get(this.intake.otherOf(upload) ?? '');
  }

  know(upload: Upload): void {
    this.intake.know(upload);
    this.pipeline.restored(upload);
  }

  /** What waited for the file goes first. */
  detach(id: string): void {
    const upload = this.ledger.get(id);
    if (!upload) return;
    this.files.delete(id);
    const needs = this.sessions.files.needOf(upload);
    this.pipeline.ended(this.ledger.apply(id, { type: 'file-lost', needs }));
    this.wake();
  }

  hasLostPermission(id: string, { cause }: UploadError): boolean {
    const upload = this.ledger.get(id);
    const isPermission = cause instanceof DOMException && cause.name === 'NotAllowedError';
    return isPermission && upload !== undefined && this.sessions.files.lostPermission(upload);
  }

  dispose(): void {
    this.#lifetime.abort();
    this.work.settle(this.snapshots.current);
    this.pipeline.dispose();
    this.sessions.dispose().catch((error: unknown) => this.runtime.reportError(error));
    this.hasher.dispose?.();
    this.snapshots.dispose();
    this.files.clear();
  }
}
