import type { UploadError } from '../../errors/upload-error.ts';
import type { CredentialResult } from '../../transports/adapter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import { credentialResults } from './adapter-answers.ts';
import { Linger } from './linger.ts';
import { type FailedEnding, runBatch } from './run-batch.ts';
import { judgeFailure, type Stage, type StageContext, stillIn, takeable } from './stage.ts';

/** Files per request, at most: what one answer grants must be sent before it expires. */
const BATCH_FILES = 200;
/** Packs use up as many in a second or so. */
const PACKED_BATCH_FILES = 500;
/** Credentials are asked for this long ahead of their use. */
const AHEAD_MS = 60_000;
/** Each further request may wait a little longer for a fuller batch, up to this. */
const LINGER_STEP_MS = 250;
const LONGEST_LINGER_MS = 6_000;

type Settled = Exclude<CredentialResult, { status: 'failed' }>;

export interface CredentialStageOptions {
  /** PUTs per second over the last seconds; 0 at the start. */
  readonly putsPerSecond: () => number;
  /** Uploads that hold a credential and wait for their PUT. */
  readonly readyCount: () => number;
  readonly putConcurrency: () => number;
  /** Files went in packs just now, many at once. */
  readonly arePacked: () => boolean;
  /** No more hashed uploads will come soon: do not wait for a fuller batch. */
  readonly isUpstreamIdle: () => boolean;
  readonly granted: (upload: Upload, result: CredentialResult & { status: 'granted' }) => void;
  readonly duplicateFound: (upload: Upload) => void;
  readonly onWait: (wait: WaitReason) => void;
}

/**
 * `hashed` → `ready`: asks for credentials in batches, just ahead of their use. Batches grow with the
 * speed of the PUTs, and requests grow apart, so that a slow link does not let credentials expire
 * and a fast one does not run into the server's limit of requests.
 */
export class CredentialStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #options: CredentialStageOptions;
  readonly #queue: RowQueue;
  readonly #linger: Linger;
  #requests = 0;
  /** The server has refused a request for its rate: each one counts, so each takes all it may. */
  #areRequestsScarce = false;

  constructor(context: StageContext, options: CredentialStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
    this.#linger = new Linger(context);
    this.lane = new Lane({
      name: 'credentials',
      concurrency: 1,
      breakerThreshold: 2,
      runtime: context.runtime,
      onWake: () => context.wake(),
      onWait: options.onWait,
    });
  }

  /** Hashed uploads that wait for a credential. */
  get waiting(): number {
    return this.#queue.size;
  }

  accept(upload: Upload, delayMs = 0): void {
    this.#queue.push(upload, delayMs);
  }

  get #batchFiles(): number {
    return this.#options.arePacked() ? PACKED_BATCH_FILES : BATCH_FILES;
  }

  /** How many credentials should be at hand: what the PUTs use up in a minute. */
  #target(): number {
    const { putsPerSecond, putConcurrency } = this.#options;
    const most = this.#batchFiles * 2;
    if (this.#areRequestsScarce) return most;
    const inAMinute = putsPerSecond() * (AHEAD_MS / 1_000);
    return Math.min(Math.max(inAMinute, putConcurrency() * 2), most);
  }

  pump(): void {
    if (this.lane.free() === 0 || this.#queue.size === 0) return;
    const ready = this.#options.readyCount();
    const target = this.#target();
    if (ready > target / 2) return;
    const maxBatch = Math.min(this.#batchFiles, this.#context.adapter.capabilities.maxBatchFiles);
    const wanted = Math.min(Math.ceil(target - ready), maxBatch);
    if (this.#queue.size < wanted && !this.#options.isUpstreamIdle() && this.#linger.isOn) return;

    const batch: (Upload & { status: 'hashed' })[] = [];
    while (batch.length < wanted) {
      const id = this.#queue.take();
      if (id === undefined) break;
      const upload = takeable(this.#context, id, 'hashed');
      if (!upload) continue;
      if (!this.#context.files.has(id)) {
        this.#context.detach(id);
        continue;
      }
      // At once: its id may stand in the queue a second time.
      this.#context.ledger.apply(id, { type: 'credential-requested' });
      batch.push(upload);
    }
    if (batch.length === 0) return;
    this.#requests += 1;
    const lingerMs = Math.min(this.#requests * LINGER_STEP_MS, LONGEST_LINGER_MS);
    this.#linger.begin(lingerMs);
    this.lane.run(() => this.#request(batch));
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
    this.#linger.dispose();
  }

  #request(batch: readonly (Upload & { status: 'hashed' })[]): Promise<void> {
    const { adapter, signal } = this.#context;
    return runBatch<Settled>(this.#context, {
      stage: 'credentials',
      lane: this.lane,
      batch,
      call: async () => credentialResults(await adapter.credentials(batch, signal), batch.length),
      settle: (id, result) => this.#settle(id, result),
      fail: (...failed) => this.#fail(...failed),
    });
  }

  #settle(id: string, result: Settled): void {
    const { ledger } = this.#context;
    if (!stillIn(ledger, id, 'requesting')) return;
    const { assetId } = result.status === 'granted' ? result.credential : result;
    if (result.status === 'duplicate') {
      this.#options.duplicateFound(ledger.apply(id, { type: 'duplicate-found', assetId }));
    } else {
      this.#options.granted(ledger.apply(id, { type: 'credential-granted', assetId }), result);
    }
  }

  #fail(id: string, error: UploadError, costsAttempt: boolean, ending: FailedEnding): void {
    const { ledger } = this.#context;
    if (error.action === 'throttle') this.#areRequestsScarce = true;
    const upload = stillIn(ledger, id, 'requesting');
    if (!upload) return;
    const judged = judgeFailure(this.#context, 'credentials', upload, error, costsAttempt);
    if (judged.isGivenUp) {
      const type = error.isRetryable ? 'gave-up' : ending;
      ledger.apply(id, { type, failure: error.toFailure() });
      return;
    }
    const { costsAttempt: isSpent, delayMs } = judged;
    this.accept(ledger.apply(id, { type: 'credential-deferred', costsAttempt: isSpent }), delayMs);
  }
}
