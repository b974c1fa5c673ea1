import type { UploadFailure } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Emitter } from './emitter.ts';
import { GoodputMeter } from './goodput-meter.ts';
import { type Milestone, Timeline, type Times } from './timeline.ts';
import {
  isEnded,
  isStored,
  type Need,
  UPLOAD_STATUSES,
  type Upload,
  type UploadStatus,
} from './upload-state.ts';
import { transition, type UploadTransition } from './upload-transition.ts';

/** An event that its upload's state does not admit: a bug of the pipeline, reported, never thrown. */
export class IllegalTransitionError extends Error {
  override readonly name = 'IllegalTransitionError';
}

const FAILED: ReadonlySet<UploadStatus> = new Set(['dead', 'processing-failed', 'rejected']);
/** All bytes are out, whether or not the server knows. */
const SENT: ReadonlySet<UploadStatus> = new Set(['put-unknown', 'uploaded', 'finalizing']);

const MILESTONES: Partial<Record<UploadStatus, Milestone>> = {
  hashed: 'hashedMs',
  uploaded: 'sentMs',
  'put-unknown': 'sentMs',
  processing: 'finalizedMs',
  embedding: 'finalizedMs',
  duplicate: 'finalizedMs',
  searchable: 'searchableMs',
  dead: 'failedMs',
  rejected: 'failedMs',
  cancelled: 'failedMs',
  'processing-failed': 'failedMs',
};

const failureOf = (upload: Upload): UploadFailure | undefined =>
  'failure' in upload ? upload.failure : undefined;

/**
 * All uploads and their sums. The only writer of rows: every change is a transition, costs O(1), and
 * keeps the counts true.
 */
export class Ledger {
  readonly #runtime: Runtime;
  readonly #emitter: Emitter;
  readonly #onChange: () => void;
  readonly #rows = new Map<string, Upload>();
  readonly #failures = new Set<string>();
  readonly #inFlight = new Map<string, number>();
  readonly #goodput = new GoodputMeter();
  readonly timeline = new Timeline();
  readonly counts: Record<UploadStatus, number>;
  /** Uploads that wait for a person to give their file, by what is needed. */
  readonly detached: Record<Need, number> = { file: 0, permission: 0 };
  #unfinished = 0;
  #acceptedBytes = 0;
  #storedBytes = 0;
  #inFlightBytes = 0;
  #detachedBytes = 0;
  #shownBytes = 0;

  constructor(runtime: Runtime, emitter: Emitter, onChange: () => void) {
    this.#runtime = runtime;
    this.#emitter = emitter;
    this.#onChange = onChange;
    const zeros = UPLOAD_STATUSES.map((status) => [status, 0] as const);
    this.counts = Object.fromEntries(zeros) as Record<UploadStatus, number>;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Uploads whose client part is neither done nor given up, and that have their file. */
  get unfinished(): number {
    return this.#unfinished;
  }

  get acceptedBytes(): number {
    return this.#acceptedBytes;
  }

  /** Stored bytes and those of files in flight. Never falls: a retry does not take progress back. */
  get sentBytes(): number {
    const bytes = Math.min(this.#storedBytes + this.#inFlightBytes, this.#acceptedBytes);
    this.#shownBytes = Math.min(Math.max(this.#shownBytes, bytes), this.#acceptedBytes);
    return this.#shownBytes;
  }

  /** Bytes that can be sent: those of detached uploads are left out. */
  get remainingBytes(): number {
    return Math.max(0, this.#acceptedBytes - this.#detachedBytes - this.sentBytes);
  }

  bytesPerSecond(): number {
    return this.#goodput.perSecond(this.#runtime.now());
  }

  get(id: string): Upload | undefined {
    return this.#rows.get(id);
  }

  all(): IterableIterator<Upload> {
    return this.#rows.values();
  }

  /** Dead, refused, and failed in processing, oldest first. */
  *failures(): IterableIterator<Upload> {
    for (const id of this.#failures) {
      const upload = this.#rows.get(id);
      if (upload) yield upload;
    }
  }

  add(upload: Upload): void {
    this.restore(upload, { addedMs: this.#runtime.epochNow() });
  }

  /** Takes in an upload of an earlier page. */
  restore(upload: Upload, times: Times): void {
    this.#rows.set(upload.id, upload);
    this.timeline.restore(upload.id, times);
    this.#count(upload, 1);
    this.#emitter.emit({ type: 'upload-added', upload });
    this.#onChange();
  }

  /**
   * Moves an upload on.
   *
   * @returns the upload as it is now
   */
  apply(id: string, event: UploadTransition): Upload {
    const upload = this.#rows.get(id);
    if (!upload) throw new IllegalTransitionError(`There is no upload ${id}`);
    const next = transition(upload, event);
    if (next === upload) {
      // Old news of an asset and a second boost are normal; any other event should have fitted.
      if (event.type !== 'asset-changed' && event.type !== 'boosted') {
        this.#runtime.reportError(
          new IllegalTransitionError(
            `An upload that is ${upload.status} cannot take ${event.type}`,
          ),
        );
      }
      return upload;
    }
    if (event.type === 'retried') this.timeline.revived(id);
    this.#rows.set(id, next);
    this.#count(upload, -1);
    this.#count(next, 1);
    if (next.status !== 'uploading') this.#dropInFlight(id);
    const milestone = next.status === upload.status ? undefined : MILESTONES[next.status];
    const isLate = milestone === 'finalizedMs' && isStored(upload.status);
    if (milestone && !isLate) this.#passed(id, milestone, upload.status);
    this.#announce(upload.status, next);
    this.#onChange();
    return next;
  }

  /** A pack is sent and finalized in one step: its files pass two milestones at once. */
  #passed(id: string, milestone: Milestone, from: UploadStatus): void {
    const nowMs = this.#runtime.epochNow();
    if (milestone === 'finalizedMs' && from === 'uploading') {
      this.timeline.passed(id, 'sentMs', nowMs);
    }
    this.timeline.passed(id, milestone, nowMs);
  }

  /** Forgets an upload that has ended. */
  remove(id: string): void {
    const upload = this.#rows.get(id);
    if (!upload || !isEnded(upload.status)) return;
    this.#count(upload, -1);
    this.#rows.delete(id);
    this.timeline.forget(id);
    this.#emitter.emit({ type: 'upload-removed', upload });
    this.#onChange();
  }

  /** Bytes of one PUT so far. */
  progressed(id: string, sentBytes: number): void {
    const before = this.#inFlight.get(id) ?? 0;
    this.#inFlight.set(id, sentBytes);
    this.#inFlightBytes += sentBytes - before;
    if (sentBytes > before) this.#goodput.add(sentBytes - before, this.#runtime.now());
    this.#emitter.emit({ type: 'upload-progressed', id, sentBytes });
    this.#onChange();
  }

  #dropInFlight(id: string): void {
    const sent = this.#inFlight.get(id);
    if (sent === undefined) return;
    this.#inFlight.delete(id);
    this.#inFlightBytes -= sent;
  }

  #count(upload: Upload, sign: 1 | -1): void {
    this.counts[upload.status] += sign;
    const { status, sizeBytes } = upload;
    if (status === 'detached') {
      this.detached[upload.needs] += sign;
      this.#detachedBytes += sign * sizeBytes;
    } else if (!isEnded(status) && !isStored(status)) {
      this.#unfinished += sign;
    }
    // What was refused, given up or cancelled is no longer part of what there is to send.
    if (status !== 'rejected' && status !== 'dead' && status !== 'cancelled') {
      this.#acceptedBytes += sign * sizeBytes;
    }
    if (isStored(status) || SENT.has(status)) {
      this.#storedBytes += sign * sizeBytes;
    }
    if (FAILED.has(status)) {
      if (sign === 1) this.#failures.add(upload.id);
      else this.#failures.delete(upload.id);
    }
  }

  #announce(previous: UploadStatus, upload: Upload): void {
    const { id, status } = upload;
    this.#emitter.emit({ type: 'upload-changed', upload, previous });
    if (isStored(status) && !isStored(previous) && 'assetId' in upload) {
      const isDuplicate = status === 'duplicate';
      this.#emitter.emit({
        type: 'upload-finalized',
        id,
        assetId: upload.assetId,
        isDuplicate,
      });
    }
    if (status === 'searchable') {
      this.#emitter.emit({ type: 'upload-searchable', id, assetId: upload.assetId });
    }
    const failure = failureOf(upload);
    if (failure) this.#emitter.emit({ type: 'upload-failed', id, failure });
  }
}
