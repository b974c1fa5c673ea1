import type { UploadError } from '../../errors/upload-error.ts';
import { decideRetry, type RetryStage } from '../../retry/retry-policy.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { UploadAdapter } from '../../transports/adapter.ts';
import type { Emitter } from '../emitter.ts';
import type { Lane } from '../lane.ts';
import type { Ledger } from '../ledger.ts';
import type { Upload, UploadStatus } from '../upload-state.ts';

/** What every stage works with. */
export interface StageContext {
  readonly runtime: Runtime;
  readonly ledger: Ledger;
  readonly emitter: Emitter;
  readonly adapter: UploadAdapter;
  /** The File of every upload that may still be read. */
  readonly files: Map<string, Blob>;
  /** Aborted when the uploader is destroyed. */
  readonly signal: AbortSignal;
  /** Something changed: let every stage look for work soon. */
  wake(): void;
}

/** One step of the pipeline: takes uploads in, works in its lane, hands them on. */
export interface Stage {
  readonly lane: Lane;
  /** Takes an upload that stands where this stage begins. */
  accept(upload: Upload, delayMs?: number): void;
  /** Fills the lane's free slots. */
  pump(): void;
  dispose(): void;
}

/** The upload, if it still stands where the work on it began; it may have been cancelled since. */
export function stillIn<S extends UploadStatus>(
  ledger: Ledger,
  id: string,
  ...statuses: S[]
): (Upload & { readonly status: S }) | undefined {
  const upload = ledger.get(id);
  if (!upload || !(statuses as UploadStatus[]).includes(upload.status)) return undefined;
  return upload as Upload & { readonly status: S };
}

/** What a failed step comes to: given up, or tried again after `delayMs`. */
export interface FailedStep {
  readonly isGivenUp: boolean;
  readonly costsAttempt: boolean;
  readonly delayMs: number;
}

/**
 * Decides about one failed step.
 *
 * @param costsAttempt false when the lane itself waits for the other side
 */
export function judgeFailure(
  context: StageContext,
  stage: RetryStage,
  upload: Upload,
  error: UploadError,
  costsAttempt: boolean,
): FailedStep {
  const attempt = upload.attempts[stage] + 1;
  if (!costsAttempt && error.isRetryable) {
    return { isGivenUp: false, costsAttempt: false, delayMs: 0 };
  }
  const random = context.runtime.random();
  const { again, delayMs } = decideRetry(stage, error, attempt, upload.isUrgent, random);
  if (again) {
    context.emitter.emit({
      type: 'upload-retried',
      id: upload.id,
      attempt: attempt + 1,
      delayMs,
      failure: error.toFailure(),
    });
  }
  return { isGivenUp: !again, costsAttempt: true, delayMs };
}
