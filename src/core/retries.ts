import { toUploadError } from '../errors/upload-error.ts';
import type { UploadAdapter } from '../transports/adapter.ts';
import type { AttemptLog } from './attempt-log.ts';
import type { Brake } from './brake.ts';
import type { Emitter } from './emitter.ts';
import type { Ledger } from './ledger.ts';
import type { Pipeline } from './pipeline.ts';
import type { Upload } from './upload-state.ts';

export interface RetriesParts {
  readonly adapter: UploadAdapter;
  readonly ledger: Ledger;
  readonly emitter: Emitter;
  readonly attemptLog: AttemptLog;
  readonly brake: Brake;
  readonly pipeline: Pipeline;
  readonly signal: AbortSignal;
  readonly wake: () => void;
}

/** Tries again what had ended, because a person asked for it. */
export class Retries {
  /** Requests to the server to process an asset again. */
  asking = 0;
  readonly #parts: RetriesParts;

  constructor(parts: RetriesParts) {
    this.#parts = parts;
  }

  /** What is wrong with the file itself would be wrong again. */
  canRetry(upload: Upload): boolean {
    if (upload.status === 'processing-failed') {
      const { retryProcessing } = this.#parts.adapter;
      return retryProcessing !== undefined && upload.failure.kind !== 'invalid';
    }
    return upload.status === 'dead' || upload.status === 'cancelled';
  }

  /** @returns whether there was something to retry */
  retry(id: string): boolean {
    const { ledger, brake, attemptLog, pipeline } = this.#parts;
    const upload = ledger.get(id);
    if (!upload || !this.canRetry(upload)) return false;
    brake.resume(id);
    if (upload.status === 'processing-failed') {
      void this.#retryProcessing(id, upload.assetId);
      return true;
    }
    attemptLog.forgive(id);
    pipeline.accept(ledger.apply(id, { type: 'retried' }));
    this.#parts.wake();
    return true;
  }

  async #retryProcessing(id: string, assetId: string): Promise<void> {
    const { adapter, ledger, emitter, pipeline, signal } = this.#parts;
    this.asking += 1;
    try {
      await adapter.retryProcessing?.(assetId, signal);
      if (ledger.get(id)?.status !== 'processing-failed') return;
      pipeline.tracker.accept(ledger.apply(id, { type: 'retried' }));
    } catch (error) {
      if (signal.aborted) return;
      emitter.emit({ type: 'upload-failed', id, failure: toUploadError(error).toFailure() });
    } finally {
      this.asking -= 1;
      this.#parts.wake();
    }
  }
}
