import { toFileError } from '../../errors/file-error.ts';
import { toUploadError, UploadError } from '../../errors/upload-error.ts';
import { findFault } from '../../hashing/read-error.ts';
import type { Credential, FinalizedAsset } from '../../protocol/index.ts';
import type { TimerHandle } from '../../runtime/runtime.ts';
import type { PutOutcome } from '../../transports/adapter.ts';
import { BandwidthCap } from '../concurrency/bandwidth-cap.ts';
import { GoodputMeter } from '../goodput-meter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import { explainPutFailure } from './explain-put-failure.ts';
import { FileWatch } from './file-watch.ts';
import {
  haltsOn,
  judgeFailure,
  type Stage,
  type StageContext,
  stillIn,
  takeable,
} from './stage.ts';

/** A credential is not used in its last seconds: the PUT must begin before it expires. */
const EXPIRY_MARGIN_MS = 15_000;
/** Nor is one that lives shortly refused at once for that. */
const MARGIN_SHARE = 0.5;
/** A store that refuses a fresh credential too refuses the file. */
const MAX_REFRESHES = 1;
/** A store that refused so many files, and took none, will refuse the next one as well. */
const REFUSALS_TO_STOP = 5;
/** Probes in vain after which it is asked whether the store is there at all. */
const PROBES_TO_ASK = 3;
/** Bytes under way at once; one larger file still goes, alone. */
const IN_FLIGHT_BUDGET_BYTES = 256 * 1024 * 1024;

interface HeldCredential {
  readonly credential: Credential;
  /** By the monotonic clock, which the person cannot set. */
  readonly expiresMs: number;
  /** By the wall clock too: while a machine sleeps, some browsers' monotonic clocks stand still. */
  readonly expiresEpochMs: number;
}

interface FailedPut {
  readonly credential: Credential;
  readonly error: UploadError;
  /** Of the file, before or while it was read: it says nothing of the store or the way there. */
  readonly isLocal: boolean;
  readonly sentBytes: number;
  readonly startMs: number;
}

export interface PutStageOptions {
  readonly maxConcurrency: number;
  /** Takes uploads whose bytes are stored, or may be. */
  readonly next: (upload: Upload) => void;
  /** Takes uploads that the backend stored and finalized in one step. */
  readonly finalized: (upload: Upload) => void;
  /** Takes uploads that need another credential. */
  readonly needsCredential: (upload: Upload) => void;
  /** Takes uploads whose recalled checksum was not that of their bytes. */
  readonly needsHash: (upload: Upload) => void;
  /** Whether the API answers: then a store that does not is another matter than a lost network. */
  readonly isApiReachable: () => boolean;
  readonly onWait: (wait: WaitReason) => void;
}

/** `ready` → `uploaded`: the bytes, straight to the store. */
export class PutStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #options: PutStageOptions;
  readonly #queue: RowQueue;
  /** Beside the rows, so that no URL reaches an event or a store. */
  readonly #credentials = new Map<string, HeldCredential>();
  readonly #aborts = new Map<string, AbortController>();
  readonly #done = new GoodputMeter();
  readonly #cap = new BandwidthCap();
  #capTimer: TimerHandle | undefined;
  #inFlightBytes = 0;
  #refusals = 0;

  constructor(context: StageContext, options: PutStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
    this.lane = new Lane({
      name: 'put',
      concurrency: { max: options.maxConcurrency },
      breakerThreshold: 5,
      runtime: context.runtime,
      onWake: () => context.wake(),
      onWait: options.onWait,
    });
  }

  /** Uploads that hold a credential and wait for a slot. */
  get readyCount(): number {
    return this.#queue.size;
  }

  putsPerSecond(): number {
    return this.#done.perSecond(this.#context.runtime.now());
  }

  /** @param bytesPerSecond null for no cap */
  setBandwidthCap(bytesPerSecond: number | null): void {
    this.#cap.set(bytesPerSecond, this.#context.runtime.now());
  }

  hold(id: string, credential: Credential): void {
    const { runtime } = this.#context;
    const { expiresInMs } = credential;
    const usableMs = expiresInMs - Math.min(EXPIRY_MARGIN_MS, expiresInMs * MARGIN_SHARE);
    const expiresMs = runtime.now() + usableMs;
    const expiresEpochMs = runtime.epochNow() + usableMs;
    this.#credentials.set(id, { credential, expiresMs, expiresEpochMs });
  }

  accept(upload: Upload, delayMs = 0): void {
    this.#queue.push(upload, delayMs);
  }

  pump(): void {
    const { ledger, runtime } = this.#context;
    while (this.lane.free() > 0 && this.#inFlightBytes < IN_FLIGHT_BUDGET_BYTES) {
      if (this.#mustWaitForCap()) return;
      const id = this.#queue.take();
      if (id === undefined) {
        this.lane.starved();
        return;
      }
      const upload = takeable(this.#context, id, 'ready');
      if (!upload) continue;
      const held = this.#credentials.get(id);
      if (!held || this.#isExpired(held)) {
        this.#renew(id, false);
        continue;
      }
      this.#cap.started(upload.sizeBytes, runtime.now());
      this.#inFlightBytes += upload.sizeBytes;
      ledger.apply(id, { type: 'put-started' });
      this.lane.run(() => this.#put(upload, held.credential));
    }
  }

  /** Ends the PUT of an upload that was cancelled or paused. */
  cancel(id: string): void {
    this.#credentials.delete(id);
    this.#aborts.get(id)?.abort();
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
    if (this.#capTimer !== undefined) this.#context.runtime.clearTimer(this.#capTimer);
    for (const controller of this.#aborts.values()) controller.abort();
  }

  #isExpired({ expiresMs, expiresEpochMs }: HeldCredential): boolean {
    const { runtime } = this.#context;
    return expiresMs <= runtime.now() || expiresEpochMs <= runtime.epochNow();
  }

  #mustWaitForCap(): boolean {
    const { runtime, wake } = this.#context;
    const waitMs = this.#cap.waitMs(runtime.now());
    if (waitMs <= 0) return false;
    this.lane.starved();
    this.#capTimer ??= runtime.setTimer(() => {
      this.#capTimer = undefined;
      wake();
    }, waitMs);
    return true;
  }

  async #put(upload: Upload & { status: 'ready' }, credential: Credential): Promise<void> {
    const { id, sizeBytes } = upload;
    const { adapter, attemptLog, files, ledger, runtime, telemetry } = this.#context;
    const startMs = runtime.now();
    const controller = new AbortController();
    const { signal } = controller;
    this.#aborts.set(id, controller);
    let sentBytes = 0;
    let body: Blob | undefined;
    let watch: FileWatch | undefined;
    let spoilt: UploadError | undefined;
    const isTakenBack = () => signal.aborted && spoilt === undefined;
    try {
      body = await files.openToSend(id);
      if (signal.aborted) return;
      if (!body) {
        this.#context.detach(id);
        return;
      }
      // An earlier PUT may have failed for what the file is now, and not have been told apart.
      const isAgain = attemptLog.countOf(id) > 0;
      const fault = isAgain ? await findFault(body, { runtime, signal }) : undefined;
      if (fault) throw fault;
      if (signal.aborted) return;
      watch = new FileWatch({
        runtime,
        body,
        signal,
        onFault: (error) => {
          spoilt = error;
          controller.abort();
        },
      });
      const request = {
        ...{ upload, credential },
        ...{ body, signal },
        onProgress: (sent: number) => {
          if (sent > sentBytes) watch?.sent();
          this.lane.transferred(Math.max(0, sent - sentBytes));
          sentBytes = sent;
          if (!signal.aborted) ledger.progressed(id, sent);
        },
      };
      const outcome = await adapter.put(request).catch((cause: unknown): PutOutcome => {
        // Firefox reports all of a file that was cut off as sent. If it was, it may be stored: ask.
        if (spoilt && sentBytes >= sizeBytes) return 'lost';
        throw spoilt ?? cause;
      });
      watch.stop();
      if (outcome !== 'lost') {
        this.#refusals = 0;
        this.lane.succeeded(runtime.now() - startMs);
        this.#done.add(1, runtime.now());
        telemetry.span('put', startMs, { uploadId: id, outcome: 'ok', bytes: sizeBytes });
      }
      if (isTakenBack()) return;
      if (outcome === 'stored') {
        this.#finish(id, { type: 'put-succeeded' });
      } else if (outcome !== 'lost') {
        this.#finalized(id, outcome.finalized);
      } else {
        const error = spoilt ?? new UploadError('network_failed', 'The store’s answer was lost.');
        const failure = error.toFailure();
        attemptLog.add(id, { stage: 'put', atMs: runtime.epochNow(), failure });
        this.#finish(id, {
          type: 'put-lost',
          costsAttempt: spoilt ? true : this.lane.failed(error, id),
        });
      }
    } catch (cause) {
      watch?.stop();
      if (isTakenBack()) return;
      const failure = toUploadError(cause);
      const explained = toFileError(cause) ?? explainPutFailure(failure, body, { runtime, signal });
      const error = await explained;
      telemetry.span('put', startMs, { uploadId: id, outcome: 'failed', code: error.code });
      if (error.action === 'throttle') telemetry.throttled();
      if (isTakenBack()) return;
      const isLocal = !watch || error === spoilt || error.code === 'file_unreadable';
      await this.#fail(id, { credential, error, isLocal, sentBytes, startMs });
    } finally {
      watch?.stop();
      this.#inFlightBytes -= sizeBytes;
      if (this.#aborts.get(id) === controller) this.#aborts.delete(id);
    }
  }

  #finish(
    id: string,
    event: { type: 'put-succeeded' } | { type: 'put-lost'; costsAttempt: boolean },
  ): void {
    if (!stillIn(this.#context.ledger, id, 'uploading')) return;
    this.#credentials.delete(id);
    this.#options.next(this.#context.ledger.apply(id, event));
  }

  #finalized(id: string, asset: FinalizedAsset): void {
    if (!stillIn(this.#context.ledger, id, 'uploading')) return;
    this.#credentials.delete(id);
    const { id: assetId, isDuplicate, needsProcessing } = asset;
    const event = { type: 'finalize-succeeded', assetId, isDuplicate, needsProcessing } as const;
    this.#options.finalized(this.#context.ledger.apply(id, event));
  }

  async #fail(id: string, put: FailedPut): Promise<void> {
    const { credential, error: failure, isLocal, sentBytes, startMs } = put;
    const { ledger } = this.#context;
    const wasStopped = haltsOn(this.#context, failure, startMs);
    const costsAttempt = !wasStopped && (isLocal || this.lane.failed(failure, id));
    const isBlocked =
      !wasStopped && sentBytes === 0 && (await this.#isBlocked(failure, credential));
    const error = isBlocked
      ? new UploadError('store_blocked', 'The store is there, but this page may not write to it.')
      : failure;
    if (isBlocked) haltsOn(this.#context, error, startMs);

    const upload = stillIn(ledger, id, 'uploading');
    if (!upload) return;
    if (error.action === 'exists') {
      this.#finish(id, { type: 'put-succeeded' });
      return;
    }
    if (this.#context.hasLostPermission(id, error)) {
      this.#context.detach(id);
      return;
    }
    if (error.code === 'file_changed' && this.#context.checksums.doubt(upload)) {
      this.#credentials.delete(id);
      this.#options.needsHash(ledger.apply(id, { type: 'checksum-doubted' }));
      return;
    }
    if (error.action === 'refresh' && upload.attempts.refresh < MAX_REFRESHES) {
      this.#renew(id, true);
      return;
    }
    const mayCost = costsAttempt && !isBlocked;
    const isAlive = this.#options.isApiReachable();
    const judged = judgeFailure(this.#context, 'put', upload, error, mayCost, isAlive);
    if (error.action === 'refresh' || judged.isGivenUp) {
      this.#credentials.delete(id);
      ledger.apply(id, { type: 'gave-up', failure: error.toFailure() });
      this.#countRefusal(error, startMs);
      return;
    }
    const deferred = { type: 'put-deferred', costsAttempt: judged.costsAttempt } as const;
    this.accept(ledger.apply(id, deferred), judged.delayMs);
  }

  /** The API answers, the store's host does too, and yet no PUT ever came through. */
  async #isBlocked(error: UploadError, credential: Credential): Promise<boolean> {
    const { adapter } = this.#context;
    if (error.code !== 'network_failed' || this.lane.hasEverSucceeded) return false;
    if (this.lane.failedProbes < PROBES_TO_ASK || !this.#options.isApiReachable()) return false;
    return (await adapter.isStoreReachable?.(credential)) ?? false;
  }

  #countRefusal(error: UploadError, startMs: number): void {
    if (error.code !== 'url_invalid' && error.code !== 'store_refused') return;
    this.#refusals += 1;
    if (this.#refusals < REFUSALS_TO_STOP || this.lane.hasEverSucceeded) return;
    this.#refusals = 0;
    this.#context.stop('store_refused', error, startMs);
  }

  #renew(id: string, isRefused: boolean): void {
    this.#credentials.delete(id);
    const upload = this.#context.ledger.apply(id, { type: 'credential-expired', isRefused });
    this.#options.needsCredential(upload);
  }
}
