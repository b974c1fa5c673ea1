import { toUploadError, UploadError } from '../../errors/upload-error.ts';
import { MAX_ATTEMPTS, URGENT_MAX_ATTEMPTS } from '../../retry/retry-policy.ts';
import type { FinalizeOutcome } from '../../transports/adapter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import {
  haltsOn,
  judgeFailure,
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

type Sent = Upload & { status: 'uploaded' | 'put-unknown' };

/** `uploaded` → `processing`: the server verifies the bytes and takes them into the library. */
export class FinalizeStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #options: FinalizeStageOptions;
  readonly #queue: RowQueue;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;
  #isDue = false;

  constructor(context: StageContext, options: FinalizeStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
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
    this.#queue.push(upload, delayMs);
  }

  pump(): void {
    const { ledger, adapter } = this.#context;
    const maxBatch = Math.min(BATCH_FILES, adapter.capabilities.maxBatchFiles);
    while (this.lane.free() > 0 && this.#queue.size > 0) {
      if (this.#queue.size < maxBatch && !this.#options.isUpstreamIdle() && !this.#isDue) {
        this.#linger();
        return;
      }
      const batch: Sent[] = [];
      while (batch.length < maxBatch) {
        const id = this.#queue.take();
        if (id === undefined) break;
        const upload = takeable(this.#context, id, 'uploaded', 'put-unknown');
        if (upload) batch.push(upload);
      }
      this.#isDue = false;
      if (batch.length === 0) return;
      for (const { id } of batch) ledger.apply(id, { type: 'finalize-started' });
      this.lane.run(() => this.#finalize(batch));
    }
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
    if (this.#lingerTimer !== undefined) this.#context.runtime.clearTimer(this.#lingerTimer);
  }

  #linger(): void {
    const { runtime, wake } = this.#context;
    this.#lingerTimer ??= runtime.setTimer(() => {
      this.#lingerTimer = undefined;
      this.#isDue = true;
      wake();
    }, LINGER_MS);
  }

  async #finalize(batch: readonly Sent[]): Promise<void> {
    const { adapter, signal, runtime, telemetry } = this.#context;
    const startMs = runtime.now();
    const files = batch.length;
    try {
      const results = await adapter.finalize(batch, signal);
      telemetry.span('finalize', startMs, { uploadId: null, outcome: 'ok', files });
      this.lane.succeeded();
      for (const [index, upload] of batch.entries()) {
        this.#settle(upload.id, results[index] ?? missingResult());
      }
    } catch (cause) {
      if (signal.aborted) return;
      const error = toUploadError(cause);
      const { code } = error;
      telemetry.span('finalize', startMs, { uploadId: null, outcome: 'failed', code, files });
      const costsAttempt = !haltsOn(this.#context, error, startMs) && this.lane.failed(error);
      for (const upload of batch) this.#fail(upload.id, error, costsAttempt, 'gave-up');
    }
  }

  #settle(id: string, result: FinalizeOutcome): void {
    const { ledger } = this.#context;
    if (result.status === 'failed') {
      this.#fail(id, result.error, true, 'refused');
      return;
    }
    const upload = stillIn(ledger, id, 'finalizing');
    if (!upload) return;
    if (upload.isPutUnknown) this.#options.foundStored();
    const { id: assetId, isDuplicate, needsProcessing } = result.asset;
    const event = { type: 'finalize-succeeded', assetId, isDuplicate, needsProcessing } as const;
    this.#options.next(ledger.apply(id, event));
  }

  /** @param ending `refused` when the server spoke of this file, `gave-up` when of the request */
  #fail(
    id: string,
    error: UploadError,
    costsAttempt: boolean,
    ending: 'refused' | 'gave-up',
  ): void {
    const { ledger } = this.#context;
    const upload = stillIn(ledger, id, 'finalizing');
    if (!upload) return;
    const judged = judgeFailure(this.#context, 'finalize', upload, error, costsAttempt);
    const isMissing = error.action === 'conflict';
    // A PUT without an answer, or a store that never shows the object: the bytes go out again.
    if (isMissing && (upload.isPutUnknown || judged.isGivenUp)) {
      const isUrgent = upload.priority === 'urgent';
      const limit = isUrgent ? URGENT_MAX_ATTEMPTS : MAX_ATTEMPTS.put;
      // A lost answer was paid for when it was lost.
      const spent = upload.attempts.put + (upload.isPutUnknown ? 0 : 1);
      if (spent < limit) {
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

function missingResult(): FinalizeOutcome {
  const message = 'The server’s answer left this file out.';
  return { status: 'failed', error: new UploadError('unexpected_response', message) };
}
