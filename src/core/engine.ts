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
import { type Collected, collectFiles } from './intake/collect-files.ts';
import { givenAgain } from './intake/given-again.ts';
import { type AddResult, Intake } from './intake/intake.ts';
import type { Restrictions } from './intake/restrictions.ts';
import { SpoiledFiles } from './intake/spoiled-files.ts';
import { Ledger } from './ledger.ts';
import { Pipeline } from './pipeline.ts';
import { Retries } from './retries.ts';
import type { Order } from './row-queue.ts';
import type { SessionSettings } from './session/session-host.ts';
import { SessionKeeper } from './session/session-keeper.ts';
import { takeSnapshot } from './snapshot.ts';
import { SnapshotFeed } from './snapshot-feed.ts';
import { StopGuard } from './stop-guard.ts';
import { unstoredOf } from './target.ts';
import { Telemetry, type TelemetrySink } from './telemetry/telemetry.ts';
import { timeWholeWay } from './telemetry/whole-way.ts';
import type { StopReason } from './types.ts';
import { isEnded, type Priority } from './upload-state.ts';
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

/** The parts of one uploader, joined. */
export interface Engine {
  readonly brake: Brake;
  readonly deadLetters: DeadLetters;
  readonly emitter: Emitter;
  readonly files: FileShelf;
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly pipeline: Pipeline;
  readonly retries: Retries;
  readonly sessions: SessionKeeper;
  readonly signal: AbortSignal;
  readonly snapshots: SnapshotFeed;
  readonly stops: StopGuard;
  readonly telemetry: Telemetry;
  readonly work: WorkLoop;
  /** Takes files in. */
  take(
    collected: AsyncIterable<Collected> | Iterable<Collected>,
    batchId: string,
    priority: Priority,
  ): Promise<AddResult>;
  /** Cancels an upload that is not stored yet. */
  cancel(id: string): void;
  dispose(): void;
}

/** Joins the parts: what one of them has to tell, and which others it concerns. */
export function createEngine(options: EngineOptions): Engine {
  const { runtime, adapter, hasher } = options;
  const lifetime = new AbortController();
  const { signal } = lifetime;
  const onChange = () => snapshots.changed();
  const wake = () => work.wake();
  const emitter = new Emitter(runtime);
  const ledger = new Ledger(runtime, emitter, onChange);
  const attemptLog = new AttemptLog();
  const brake = new Brake();
  const files = new FileShelf();
  const telemetry = new Telemetry(runtime, options.telemetry);
  const stops = new StopGuard({
    runtime,
    brake,
    emitter,
    onUnauthenticated: options.onUnauthenticated,
    onChange: () => {
      onChange();
      wake();
    },
  });
  const work = new WorkLoop({
    brake,
    emitter,
    signal,
    isStarted: options.autoStart,
    hasWork: () => ledger.unfinished > 0 || pipeline.tracker.pendingCount > 0 || retries.asking > 0,
    pump: () => pipeline.pump(),
    onDrained: () => pipeline.tracker.stop(),
    refresh: () => snapshots.refresh(),
  });
  const context = {
    runtime,
    ledger,
    emitter,
    adapter,
    telemetry,
    attemptLog,
    order: options.order,
    files,
    signal,
    wake,
    stop: (reason: StopReason, error: UploadError, askedMs: number) =>
      stops.stop(reason, error, askedMs),
    apiSucceeded: () => stops.apiSucceeded(),
    isPaused: (id: string) => brake.isPaused(id),
  };
  const storage = options.openStorage((error) => emitter.emit({ type: 'journal-degraded', error }));
  const sessions = new SessionKeeper(
    {
      ...context,
      snapshot: () => snapshots.current,
      begin: () => work.begin(),
      otherOf: (upload) => ledger.get(intake.otherOf(upload) ?? ''),
      know: (upload) => {
        intake.know(upload);
        pipeline.restored(upload);
      },
      accept: (upload) => {
        pipeline.accept(upload);
        wake();
      },
      list: (handle, batchId) => take(collectFiles(handle), batchId, 'normal', true),
      drop: (id) => {
        cancel(id);
        remove(id);
      },
      cancel,
      onChange,
      refresh: () => snapshots.refresh(),
    },
    storage,
    options.session,
  );
  const stages = {
    ...context,
    checksums: sessions.checksums,
    detach,
    hasLostPermission: (id: string, { cause }: UploadError) => {
      const upload = ledger.get(id);
      const isPermission = cause instanceof DOMException && cause.name === 'NotAllowedError';
      return isPermission && upload !== undefined && sessions.files.lostPermission(upload);
    },
  };
  const pipeline = new Pipeline(stages, {
    hasher,
    maxConcurrency: Math.min(options.concurrency, adapter.capabilities.maxConcurrency),
    onWait: (wait) => {
      if (wait.kind === 'rate_limit') telemetry.throttled();
      emitter.emit({ type: 'lane-waited', wait });
      onChange();
    },
    onChange,
  });
  pipeline.setBandwidthCap(options.maxBytesPerSecond);
  const retries = new Retries({ ...context, brake, pipeline });
  const spoiled = new SpoiledFiles(ledger, emitter, remove);
  const intake = new Intake({
    runtime,
    restrictions: options.restrictions,
    signal,
    accepted: (upload, file) => {
      spoiled.replace(upload.path);
      files.put(upload.id, file);
      ledger.add(upload);
      pipeline.accept(upload);
      // The first file starts the work; after that once per slice of intake is enough.
      if (work.wasDrained) wake();
    },
    refused: (upload, error) => {
      spoiled.replace(upload.path);
      ledger.add(upload);
      ledger.apply(upload.id, { type: 'refused', failure: error.toFailure() });
    },
    repeated: (match, file, isRelisted) =>
      givenAgain({ ...context, intake, pipeline, sessions, retries }, match, file, isRelisted),
    isDetached: (id) => ledger.get(id)?.status === 'detached',
    onSlice: wake,
  });
  const deadLetters = new DeadLetters({
    ledger,
    emitter,
    timeline: ledger.timeline,
    attemptLog,
    retry: (id) => retries.retry(id),
    canRetry: (upload) => retries.canRetry(upload),
    remove,
  });
  emitter.on('upload-failed', ({ id }) => {
    const upload = ledger.get(id);
    if (upload) pipeline.ended(upload);
  });
  emitter.on('upload-changed', ({ upload }) => {
    if (upload.status === 'detached') intake.know(upload);
  });
  timeWholeWay(telemetry, emitter, ledger.timeline, runtime);
  const snapshots = new SnapshotFeed(runtime, () =>
    takeSnapshot(ledger, pipeline, {
      isPaused: brake.isOn,
      stop: brake.stop,
      isStarted: work.isStarted,
      survivesReload: sessions.survivesReload,
    }),
  );
  snapshots.subscribe(() => sessions.changed());

  async function take(
    collected: AsyncIterable<Collected> | Iterable<Collected>,
    batchId: string,
    priority: Priority,
    isRelisted = false,
  ): Promise<AddResult> {
    const end = work.begin();
    const listed = sessions.listing();
    try {
      return await intake.takeAll(collected, batchId, priority, isRelisted);
    } finally {
      listed();
      end();
    }
  }

  function cancel(id: string): void {
    if (unstoredOf(ledger, { id }).length > 0) {
      brake.resume(id);
      pipeline.ended(ledger.apply(id, { type: 'cancelled' }));
    }
    wake();
  }

  /** This page cannot read the file: the upload waits for a person, and what waited for it goes first. */
  function detach(id: string): void {
    const upload = ledger.get(id);
    if (!upload) return;
    files.delete(id);
    const needs = sessions.files.needOf(upload);
    pipeline.ended(ledger.apply(id, { type: 'file-lost', needs }));
    wake();
  }

  function remove(id: string): void {
    const upload = ledger.get(id);
    if (!upload || !isEnded(upload.status)) return;
    ledger.remove(id);
    files.delete(id);
    attemptLog.forget(id);
    intake.forget(upload);
  }

  function dispose(): void {
    lifetime.abort();
    work.settle(snapshots.current);
    pipeline.dispose();
    sessions.dispose().catch((error: unknown) => runtime.reportError(error));
    hasher.dispose?.();
    snapshots.dispose();
    files.clear();
  }

  return {
    brake,
    deadLetters,
    emitter,
    files,
    journal: storage.journal,
    ledger,
    pipeline,
    retries,
    sessions,
    signal,
    snapshots,
    stops,
    telemetry,
    work,
    take,
    cancel,
    dispose,
  };
}
