import { toFileError } from '../../errors/file-error.ts';
import { UploadError } from '../../errors/upload-error.ts';
import type { Hasher } from '../../hashing/hasher.ts';
import { findFault } from '../../hashing/read-error.ts';
import type { Credential } from '../../protocol/index.ts';
import type { BandwidthGate } from '../concurrency/bandwidth-gate.ts';
import { GoodputMeter } from '../goodput-meter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import { putOutcome } from './adapter-answers.ts';
import type { BegunPuts } from './begun-puts.ts';
import { explainPutFailure } from './explain-put-failure.ts';
import { FileWatch } from './file-watch.ts';
import type { HeldCredentials } from './held-credentials.ts';
import { type PutExits, PutResults } from './put-results.ts';
import { asUploadError, haltsOn, type Stage, type StageContext, takeable } from './stage.ts';
import { verifiedBytes } from './verified-bytes.ts';

/** A store that refused so many files, and took none, will refuse the next one as well. */
const REFUSALS_TO_STOP = 5;
/** Probes in vain after which it is asked whether the store is there at all. */
const PROBES_TO_ASK = 3;
/** Bytes under way at once; one larger file still goes, alone. */
const IN_FLIGHT_BUDGET_BYTES = 256 * 1024 * 1024;

type Ready = Upload & { readonly status: 'ready' };

interface FailedPut {
  readonly credential: Credential;
  readonly error: UploadError;
  /** Of the file, before or while it was read, or of the adapter: it says nothing of the store or the way there. */
  readonly isLocal: boolean;
  readonly sentBytes: number;
  readonly startMs: number;
}

export interface PutStageOptions extends PutExits {
  readonly maxConcurrency: number;
  readonly credentials: HeldCredentials;
  readonly bandwidth: BandwidthGate;
  readonly begun: BegunPuts;
  readonly hasher: Hasher;
  readonly onWait: (wait: WaitReason) => void;
}

/** `ready` → `uploaded`: the bytes, straight to the store. */
export class PutStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #options: PutStageOptions;
  readonly #queue: RowQueue;
  readonly #results: PutResults;
  readonly #aborts = new Map<string, AbortController>();
  readonly #done = new GoodputMeter();
  #inFlightBytes = 0;
  #refusals = 0;

  constructor(context: StageContext, options: PutStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
    this.#results = new PutResults(context, options, options.credentials, (upload, delayMs) =>
      this.accept(upload, delayMs),
    );
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

  filesPerSecond(): number {
    return this.#done.perSecond(this.#context.runtime.now());
  }

  accept(upload: Upload, delayMs = 0): void {
    this.#queue.push(upload, delayMs);
  }

  pump(): void {
    const { bandwidth, credentials } = this.#options;
    while (this.lane.free() > 0 && this.#inFlightBytes < IN_FLIGHT_BUDGET_BYTES) {
      if (bandwidth.isClosed()) {
        this.lane.starved();
        return;
      }
      const id = this.#queue.take();
      if (id === undefined) {
        this.lane.starved();
        return;
      }
      const upload = takeable(this.#context, id, 'ready');
      if (!upload) continue;
      const credential = credentials.usable(id);
      if (!credential) {
        this.#results.renew(id, false);
        continue;
      }
      bandwidth.started(upload.sizeBytes);
      this.#inFlightBytes += upload.sizeBytes;
      this.#context.ledger.apply(id, { type: 'put-started' });
      this.lane.run(() => this.#put(upload, credential));
    }
  }

  /** Ends the PUT of an upload that was paused, or has ended. */
  cancel(id: string): void {
    this.#options.credentials.delete(id);
    this.#aborts.get(id)?.abort();
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
    for (const controller of this.#aborts.values()) controller.abort();
  }

  async #put(upload: Ready, credential: Credential): Promise<void> {
    const { adapter, attemptLog, ledger, runtime, telemetry } = this.#context;
    const { id, sizeBytes } = upload;
    const startMs = runtime.now();
    const controller = new AbortController();
    const { signal } = controller;
    this.#aborts.set(id, controller);
    let sentBytes = 0;
    let body: Blob | undefined;
    let watch: FileWatch | undefined;
    let spoilt: UploadError | undefined;
    let hasAnswered = false;
    const isTakenBack = () => signal.aborted && spoilt === undefined;
    try {
      body = await this.#open(upload, signal);
      if (signal.aborted) return;
      if (!body) {
        this.#context.detach(id);
        return;
      }
      watch = new FileWatch({
        runtime,
        bodies: [body],
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
      this.#options.begun.began(id, credential);
      let answer: unknown;
      try {
        answer = await adapter.put(request);
      } catch (cause) {
        // Firefox reports all of a file that was cut off as sent. If it was, it may be stored: ask.
        if (!spoilt || sentBytes < sizeBytes) throw spoilt ?? cause;
        answer = 'lost';
      }
      hasAnswered = true;
      const outcome = putOutcome(answer);
      watch.stop();
      if (outcome !== 'lost') {
        this.#refusals = 0;
        this.lane.succeeded(runtime.now() - startMs);
        this.#done.add(1, runtime.now());
        telemetry.span('put', startMs, { uploadId: id, outcome: 'ok', bytes: sizeBytes });
      }
      if (isTakenBack()) return;
      if (outcome === 'stored') {
        this.#results.stored(id);
      } else if (outcome === 'lost') {
        const error = spoilt ?? new UploadError('network_failed', 'The store’s answer was lost.');
        const failure = error.toFailure();
        attemptLog.add(id, { stage: 'put', atMs: runtime.epochNow(), failure });
        this.#results.lost(id, spoilt ? true : this.lane.failed(error, id));
      } else {
        this.#results.finalized(id, outcome.finalized);
      }
    } catch (cause) {
      watch?.stop();
      if (isTakenBack()) return;
      const failure = asUploadError(this.#context, cause);
      const explained = toFileError(cause) ?? explainPutFailure(failure, body, { runtime, signal });
      const error = await explained;
      telemetry.span('put', startMs, { uploadId: id, outcome: 'failed', code: error.code });
      if (error.action === 'throttle') telemetry.throttled();
      if (isTakenBack()) return;
      const isOfFile = !watch || error === spoilt || error.code === 'file_unreadable';
      // A wrong answer is the adapter's fault, and no outage.
      const isLocal = isOfFile || hasAnswered;
      await this.#fail(id, { credential, error, isLocal, sentBytes, startMs });
    } finally {
      watch?.stop();
      this.#inFlightBytes -= sizeBytes;
      if (this.#aborts.get(id) === controller) this.#aborts.delete(id);
    }
  }

  /** @returns what is to be sent; undefined when this page cannot read it */
  async #open({ id, checksum }: Ready, signal: AbortSignal): Promise<Blob | undefined> {
    const { adapter, attemptLog, files, runtime } = this.#context;
    const body = await files.openToSend(id);
    if (!body || signal.aborted) return body;
    // An earlier PUT may have failed for what the file is now, and not have been told apart.
    const isAgain = attemptLog.countOf(id) > 0;
    const fault = isAgain ? await findFault(body, { runtime, signal }) : undefined;
    if (fault) throw fault;
    if (adapter.capabilities.checksum === 'sha256' || signal.aborted) return body;
    return verifiedBytes(body, checksum, this.#options.hasher, { runtime, signal });
  }

  async #fail(id: string, put: FailedPut): Promise<void> {
    const { credential, error: failure, isLocal, sentBytes, startMs } = put;
    const wasStopped = haltsOn(this.#context, failure, startMs);
    const costsAttempt = !wasStopped && (isLocal || this.lane.failed(failure, id));
    const isBlocked =
      !wasStopped && sentBytes === 0 && (await this.#isBlocked(failure, credential));
    const error = isBlocked
      ? new UploadError('store_blocked', 'The store is there, but this page may not write to it.')
      : failure;
    if (isBlocked) haltsOn(this.#context, error, startMs);
    const mayCost = costsAttempt && !isBlocked;
    const failed = { error, costsAttempt: mayCost, ending: 'gave-up' } as const;
    if (this.#results.failed(id, failed)) this.#countRefusal(error, startMs);
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
    this.#context.stops.stop('store_refused', error, startMs);
  }
}
