import { toKnownError, toUploadError, UploadError } from '../../errors/upload-error.ts';
import { decideRetry, type RetryStage } from '../../retry/retry-policy.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { UploadAdapter } from '../../transports/adapter.ts';
import type { AttemptLog } from '../attempt-log.ts';
import type { Brake } from '../brake.ts';
import type { Emitter } from '../emitter.ts';
import type { FileShelf } from '../file-shelf.ts';
import type { Lane } from '../lane.ts';
import type { Ledger } from '../ledger.ts';
import type { Order } from '../row-queue.ts';
import type { StopGuard } from '../stop-guard.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { StopReason } from '../types.ts';
import type { Upload, UploadStatus } from '../upload-state.ts';

/** Checksums of files that were hashed before, by an earlier page too. */
export interface ChecksumMemory {
  /** What is remembered of this very file; it may turn out to be wrong, however unlikely. */
  recall(upload: Upload): Promise<string | undefined> | undefined;
  remember(upload: Upload, checksum: string): void;
  /**
   * The store found other bytes.
   *
   * @returns whether the checksum was recalled: it is forgotten, and has to be computed
   */
  doubt(upload: Upload): boolean;
}

/** What every stage works with. */
export interface StageContext {
  readonly runtime: Runtime;
  readonly ledger: Ledger;
  readonly emitter: Emitter;
  readonly adapter: UploadAdapter;
  readonly telemetry: Telemetry;
  readonly attemptLog: AttemptLog;
  readonly order: Order;
  readonly files: FileShelf;
  readonly stops: StopGuard;
  /** Whoever takes an upload off a queue that a person paused leaves it to `resume`. */
  readonly brake: Brake;
  readonly checksums: ChecksumMemory;
  /** Aborted when the uploader is destroyed. */
  readonly signal: AbortSignal;
  /** What the snapshot tells has changed. */
  readonly onChange: () => void;
  /** Something changed: let every stage look for work soon. */
  readonly wake: () => void;
  /** This page cannot read the file: the upload waits until a person gives it (again). */
  detach(id: string): void;
  /**
   * Whether the file failed because the person's permission ended: then it is not the file's fault, and
   * one question for all brings them back.
   */
  hasLostPermission(id: string, error: UploadError): boolean;
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

/** As {@link stillIn}, for an id that comes off a queue: a paused upload is not to be worked on. */
export function takeable<S extends UploadStatus>(
  context: StageContext,
  id: string,
  ...statuses: S[]
): (Upload & { readonly status: S }) | undefined {
  return context.brake.isPaused(id) ? undefined : stillIn(context.ledger, id, ...statuses);
}

/**
 * Tries that cost nothing, while the other side is alive, after which an upload is given up all the
 * same: about 20 minutes. It may be what breaks the other side, or what the way does not let through.
 */
export const MAX_FREE_TRIES = 40;

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
 * @param isAlive the network is there, whatever happened to this request
 */
export function judgeFailure(
  context: StageContext,
  stage: RetryStage,
  upload: Upload,
  error: UploadError,
  costsAttempt: boolean,
  isAlive = false,
): FailedStep {
  const { runtime, telemetry, attemptLog, emitter } = context;
  const failure = error.toFailure();
  attemptLog.add(upload.id, { stage, atMs: runtime.epochNow(), failure });
  const isOtherSideThere = (isAlive || error.kind === 'server') && error.action === 'transient';
  const isSuspect = isOtherSideThere && attemptLog.countOf(upload.id) >= MAX_FREE_TRIES;
  if (!costsAttempt && error.isRetryable && !isSuspect) {
    telemetry.retried(error.kind);
    return { isGivenUp: false, costsAttempt: false, delayMs: 0 };
  }
  const attempt = upload.attempts[stage] + 1;
  const isUrgent = upload.priority === 'urgent';
  const { again, delayMs } = decideRetry(stage, error, attempt, isUrgent, runtime.random());
  if (again) {
    telemetry.retried(error.kind);
    const event = { id: upload.id, attempt: attempt + 1, delayMs, failure };
    emitter.emit({ type: 'upload-retried', ...event });
  }
  return { isGivenUp: isSuspect || !again, costsAttempt: true, delayMs };
}

/** What an adapter's method threw, as it means it. */
export function asUploadError(
  { adapter, runtime }: Pick<StageContext, 'adapter' | 'runtime'>,
  cause: unknown,
): UploadError {
  if (cause instanceof UploadError) return cause;
  try {
    return toKnownError(adapter.classify?.(cause)) ?? toUploadError(cause);
  } catch (error) {
    // What it cannot classify counts as if it had not been asked.
    runtime.reportError(error);
    return toUploadError(cause);
  }
}

/** Pauses everything when only somebody's act can help. @returns whether that is so */
export function haltsOn(context: StageContext, error: UploadError, askedMs: number): boolean {
  if (error.action !== 'halt') return false;
  context.stops.stop(HALTS[error.code] ?? 'store_refused', error, askedMs);
  return true;
}

const HALTS: Partial<Record<UploadError['code'], StopReason>> = {
  unauthenticated: 'unauthenticated',
  store_blocked: 'store_blocked',
  store_misconfigured: 'store_misconfigured',
};
