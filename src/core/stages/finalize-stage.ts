import { UploadError } from '../../errors/upload-error.ts';
import { MAX_ATTEMPTS, URGENT_MAX_ATTEMPTS } from '../../retry/retry-policy.ts';
import type { FinalizeOutcome } from '../../transports/adapter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import { finalizeOutcomes } from './adapter-answers.ts';
import { Linger } from './linger.ts';
import { type FailedEnding, runBatch } from './run-batch.ts';
import {
  asUploadError,
  judgeFailure,
  MAX_FREE_TRIES,
  type Stage,
  type StageContext,
  stillIn,
  takeable,
} from './stage.ts';

const BATCH_FILES = 100;
/** How long the first upload of a batch waits for company. */
const LINGER_MS = 300;

export interface FinalizeStageOptions {
  /** No PUT is under way or waiting: nobody else will join the batch. */
  readonly isUpstreamIdle: () => boolean;
  /** Takes uploads that the server acknowledged. */
  readonly next: (upload: Upload) => void;
  /** A PUT whose answer was lost turns out to have been stored. */
  readonly foundStored: () => void;
  /** Takes uploads whose bytes the store does not have. */
  readonly needsBytes: (upload: Upload) => void;
  readonly onWait: (wait: WaitReason) => void;
}

type Settled = Exclude<FinalizeOutcome, { status: 'failed' }>;
type Sent = Upload & { status: 'uploaded' | 'put-unknown' };

/** `uploaded` → `processing`: the server verifies the bytes and takes them into the library. */
export class FinalizeStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #options: FinalizeStageOptions;
  readonly #queue: RowQueue;
  readonly #linger: Linger;

  constructor(context: StageContext, options: FinalizeStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
    this.#linger = new Linger(context);
    this.lane = new Lane({
      name: 'finalize',
      concurrency: 2,
      breakerThreshold: 2,
      runtime: context.runtime,
      onWake: () => context.wake(),
      onWait: options.onWait,
    });
  }

  accept(upload: Upload, delayMs = 0): void {
    if (this.#queue.size === 0) this.#linger.begin(LINGER_MS);
    this.#queue.push(upload, delayMs);
  }

  pump(): void {
    const { ledger, adapter } = this.#context;
    const maxBatch = Math.min(BATCH_FILES, adapter.capabilities.maxBatchFiles);
    while (this.lane.free() > 0 && this.#queue.size > 0) {
      const mayGrow = this.#queue.size < maxBatch && !this.#options.isUpstreamIdle();
      if (mayGrow && this.#linger.isOn) return;
      const batch: Sent[] = [];
      while (batch.length < maxBatch) {
        const id = this.#queue.take();
        if (id === undefined) break;
        const upload = takeable(this.#context, id, 'uploaded', 'put-unknown');
        if (!upload) continue;
        // At once: its id may stand in the queue a second time.
        ledger.apply(id, { type: 'finalize-started' });
        batch.push(upload);
      }
      if (batch.length === 0) return;
      this.lane.run(() => this.#finalize(batch));
    }
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
    this.#linger.dispose();
  }

  #finalize(batch: readonly Sent[]): Promise<void> {
    return runBatch<Settled>(this.#context, {
      stage: 'finalize',
      lane: this.lane,
      batch,
      call: () => this.#ask(batch),
      settle: (id, result) => this.#settle(id, result),
      fail: (...failed) => this.#fail(...failed),
    });
  }

  /** A backend that takes every upload at its word is asked first about those whose answer was lost. */
  async #ask(batch: readonly Sent[]): Promise<readonly FinalizeOutcome[]> {
    const { adapter, signal } = this.#context;
    const inDoubt = adapter.capabilities.verifiesAtFinalize
      ? []
      : batch.filter(({ status }) => status === 'put-unknown');
    if (inDoubt.length === 0) {
      return finalizeOutcomes(await adapter.finalize(batch, signal), batch.length);
    }
    const heads = await this.#headsOf(inDoubt);
    // One that cannot be asked about keeps no other from being finalized.
    if (heads instanceof UploadError && inDoubt.length === batch.length) throw heads;
    const failure = heads instanceof UploadError ? heads : undefined;
    const isThere = (index: number) => !(heads instanceof UploadError) && heads?.[index] === true;
    const absent = new Set(inDoubt.filter((_, index) => !isThere(index)));
    const there = batch.filter((upload) => !absent.has(upload));
    const outcomes =
      there.length === 0
        ? []
        : finalizeOutcomes(await adapter.finalize(there, signal), there.length);
    return batch.map((upload): FinalizeOutcome => {
      const outcome = outcomes[there.indexOf(upload)];
      if (outcome) return outcome;
      const code = absent.has(upload) ? 'not_uploaded' : 'unexpected_response';
      const error = new UploadError(code, 'The store does not have it, or does not say so.');
      return { status: 'failed', error: (absent.has(upload) && failure) || error };
    });
  }

  /** What the store says of them; a failure that may pass by itself. One that will not says no more than "no". */
  async #headsOf(inDoubt: readonly Sent[]): Promise<readonly boolean[] | UploadError | undefined> {
    const { adapter, signal } = this.#context;
    try {
      return await adapter.head?.(inDoubt, signal);
    } catch (cause) {
      const error = asUploadError(this.#context, cause);
      return error.isRetryable ? error : undefined;
    }
  }

  #settle(id: string, { asset }: Settled): void {
    const { ledger } = this.#context;
    const upload = stillIn(ledger, id, 'finalizing');
    if (!upload) return;
    if (upload.isPutUnknown) this.#options.foundStored();
    const { id: assetId, isDuplicate, needsProcessing } = asset;
    const event = { type: 'finalize-succeeded', assetId, isDuplicate, needsProcessing } as const;
    this.#options.next(ledger.apply(id, event));
  }

  #fail(id: string, error: UploadError, costsAttempt: boolean, ending: FailedEnding): void {
    const { ledger } = this.#context;
    const upload = stillIn(ledger, id, 'finalizing');
    if (!upload) return;
    const judged = judgeFailure(this.#context, 'finalize', upload, error, costsAttempt);
    const isMissing = error.action === 'conflict';
    // A PUT without an answer, or a store that never shows the object: the bytes go out again.
    if (isMissing && (upload.isPutUnknown || judged.isGivenUp)) {
      const isUrgent = upload.priority === 'urgent';
      const limit = isUrgent ? URGENT_MAX_ATTEMPTS : MAX_ATTEMPTS.put;
      // A lost answer was paid for when it was lost, unless there was an outage: even then not for ever.
      const spent = upload.attempts.put + (upload.isPutUnknown ? 0 : 1);
      if (spent < limit && this.#context.attemptLog.countOf(id) < MAX_FREE_TRIES) {
        this.#options.needsBytes(ledger.apply(id, { type: 'bytes-missing' }));
        return;
      }
    }
    if (judged.isGivenUp || (isMissing && upload.isPutUnknown)) {
      const type = error.isRetryable ? 'gave-up' : ending;
      ledger.apply(id, { type, failure: error.toFailure() });
      return;
    }
    const deferred = { type: 'finalize-deferred', costsAttempt: judged.costsAttempt } as const;
    this.accept(ledger.apply(id, deferred), judged.delayMs);
  }
}
