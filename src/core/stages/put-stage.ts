import { toUploadError, UploadError } from '../../errors/upload-error.ts';
import type { Credential } from '../../protocol/index.ts';
import { GoodputMeter } from '../goodput-meter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import { judgeFailure, type Stage, type StageContext, stillIn } from './stage.ts';

/** A credential is not used in its last seconds: the PUT must begin before it expires. */
const EXPIRY_MARGIN_MS = 15_000;
/** A store that refuses so many fresh credentials in a row refuses the file. */
const MAX_REFRESHES = 2;

interface HeldCredential {
  readonly credential: Credential;
  readonly expiresMs: number;
}

export interface PutStageOptions {
  readonly concurrency: number;
  /** Takes uploads whose bytes are stored, or may be. */
  readonly next: (upload: Upload) => void;
  /** Takes uploads that need another credential. */
  readonly needsCredential: (upload: Upload, delayMs: number) => void;
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

  constructor(context: StageContext, options: PutStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake());
    this.lane = new Lane({
      concurrency: options.concurrency,
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

  hold(id: string, credential: Credential): void {
    const expiresMs = this.#context.runtime.now() + credential.expiresInMs - EXPIRY_MARGIN_MS;
    this.#credentials.set(id, { credential, expiresMs });
  }

  accept(upload: Upload, delayMs = 0): void {
    this.#queue.push(upload.id, upload.isUrgent, delayMs);
  }

  pump(): void {
    const { ledger, runtime } = this.#context;
    while (this.lane.free() > 0) {
      const id = this.#queue.take();
      if (id === undefined) return;
      if (!stillIn(ledger, id, 'ready')) continue;
      const held = this.#credentials.get(id);
      if (!held || held.expiresMs <= runtime.now()) {
        this.#renew(id, false, 0);
        continue;
      }
      ledger.apply(id, { type: 'put-started' });
      this.lane.run(() => this.#put(id, held.credential));
    }
  }

  /** Ends the PUT of a cancelled upload. */
  cancel(id: string): void {
    this.#credentials.delete(id);
    this.#aborts.get(id)?.abort();
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
    for (const controller of this.#aborts.values()) controller.abort();
  }

  async #put(id: string, credential: Credential): Promise<void> {
    const { adapter, files, ledger, runtime } = this.#context;
    const body = files.get(id);
    if (!body) return;
    const controller = new AbortController();
    this.#aborts.set(id, controller);
    try {
      const outcome = await adapter.put({
        credential,
        body,
        signal: controller.signal,
        onProgress: (sentBytes) => ledger.progressed(id, sentBytes),
      });
      if (outcome === 'stored') {
        this.lane.succeeded();
        this.#done.add(1, runtime.now());
      }
      if (!stillIn(ledger, id, 'uploading')) return;
      if (outcome === 'stored') {
        this.#finish(id, { type: 'put-succeeded' });
      } else {
        const error = new UploadError('network_failed', 'The store’s answer was lost.');
        this.#finish(id, { type: 'put-lost', costsAttempt: this.lane.failed(error) });
      }
    } catch (cause) {
      if (controller.signal.aborted) return;
      const error = await explain(toUploadError(cause), body);
      if (controller.signal.aborted) return;
      this.#fail(id, error);
    } finally {
      this.#aborts.delete(id);
    }
  }

  #finish(
    id: string,
    event: { type: 'put-succeeded' } | { type: 'put-lost'; costsAttempt: boolean },
  ): void {
    this.#credentials.delete(id);
    this.#options.next(this.#context.ledger.apply(id, event));
  }

  #fail(id: string, error: UploadError): void {
    const { ledger } = this.#context;
    const upload = stillIn(ledger, id, 'uploading');
    const costsAttempt = this.lane.failed(error);
    if (!upload) return;
    if (error.action === 'exists') {
      this.#finish(id, { type: 'put-succeeded' });
      return;
    }
    if (error.action === 'refresh' && upload.attempts.refresh < MAX_REFRESHES) {
      this.#renew(id, true, 0);
      return;
    }
    const isGivenUp = error.action === 'refresh';
    const judged = judgeFailure(this.#context, 'put', upload, error, costsAttempt);
    if (isGivenUp || judged.isGivenUp) {
      this.#credentials.delete(id);
      ledger.apply(id, { type: 'gave-up', failure: error.toFailure() });
      return;
    }
    const deferred = { type: 'put-deferred', costsAttempt: judged.costsAttempt } as const;
    this.accept(ledger.apply(id, deferred), judged.delayMs);
  }

  #renew(id: string, isRefused: boolean, delayMs: number): void {
    this.#credentials.delete(id);
    const upload = this.#context.ledger.apply(id, { type: 'credential-expired', isRefused });
    this.#options.needsCredential(upload, delayMs);
  }
}

/** Says when it was the file and not the network: browsers report both as a failed connection. */
async function explain(error: UploadError, body: Blob): Promise<UploadError> {
  if (error.code === 'checksum_mismatch' || error.code === 'size_mismatch') {
    const message = 'The bytes are not those that were hashed: the file changed meanwhile.';
    return new UploadError('file_changed', message, { cause: error });
  }
  if (error.kind !== 'network') return error;
  try {
    await body.slice(0, 1).arrayBuffer();
    return error;
  } catch (cause) {
    return new UploadError('file_unreadable', 'The file can no longer be read.', { cause });
  }
}
