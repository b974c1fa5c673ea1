import type { UploadError } from '../../errors/upload-error.ts';
import type { FinalizedAsset } from '../../protocol/index.ts';
import type { Upload } from '../upload-state.ts';
import type { HeldCredentials } from './held-credentials.ts';
import { judgeFailure, type StageContext, stillIn } from './stage.ts';

/** A store that refuses a fresh credential too refuses the file. */
const MAX_REFRESHES = 1;

/** Where uploads go from a stage that sends bytes. */
export interface PutExits {
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
}

export interface FailedPut {
  readonly error: UploadError;
  readonly costsAttempt: boolean;
  /** What a failure for good is: the server's word on this very file, or a way that led nowhere. */
  readonly ending: 'refused' | 'gave-up';
}

/** What an upload comes to whose bytes were sent, alone or in a pack. Each call may come too late: then nothing. */
export class PutResults {
  readonly #context: StageContext;
  readonly #exits: PutExits;
  readonly #credentials: HeldCredentials;
  readonly #retry: (upload: Upload, delayMs: number) => void;

  /** @param retry takes uploads that are to be sent once more */
  constructor(
    context: StageContext,
    exits: PutExits,
    credentials: HeldCredentials,
    retry: (upload: Upload, delayMs: number) => void,
  ) {
    this.#context = context;
    this.#exits = exits;
    this.#credentials = credentials;
    this.#retry = retry;
  }

  stored(id: string): void {
    this.#leave(id, { type: 'put-succeeded' });
  }

  lost(id: string, costsAttempt: boolean): void {
    this.#leave(id, { type: 'put-lost', costsAttempt });
  }

  finalized(id: string, asset: FinalizedAsset): void {
    if (!stillIn(this.#context.ledger, id, 'uploading')) return;
    this.#credentials.delete(id);
    const { id: assetId, isDuplicate, needsProcessing } = asset;
    const event = { type: 'finalize-succeeded', assetId, isDuplicate, needsProcessing } as const;
    this.#exits.finalized(this.#context.ledger.apply(id, event));
  }

  /** @returns whether the upload was given up */
  failed(id: string, { error, costsAttempt, ending }: FailedPut): boolean {
    const { ledger, checksums } = this.#context;
    const upload = stillIn(ledger, id, 'uploading');
    if (!upload) return false;
    if (error.action === 'exists') {
      this.stored(id);
      return false;
    }
    if (this.#context.hasLostPermission(id, error)) {
      this.#context.detach(id);
      return false;
    }
    if (error.code === 'file_changed' && checksums.doubt(upload)) {
      this.#credentials.delete(id);
      this.#exits.needsHash(ledger.apply(id, { type: 'checksum-doubted' }));
      return false;
    }
    const isUsedUp = error.action === 'refresh' || error.code === 'not_found';
    if (isUsedUp && upload.attempts.refresh < MAX_REFRESHES) {
      this.renew(id, true);
      return false;
    }
    const isAlive = this.#exits.isApiReachable();
    const judged = judgeFailure(this.#context, 'put', upload, error, costsAttempt, isAlive);
    if (isUsedUp || judged.isGivenUp) {
      this.#credentials.delete(id);
      const type = error.isRetryable ? 'gave-up' : ending;
      ledger.apply(id, { type, failure: error.toFailure() });
      return true;
    }
    const deferred = { type: 'put-deferred', costsAttempt: judged.costsAttempt } as const;
    this.#retry(ledger.apply(id, deferred), judged.delayMs);
    return false;
  }

  /** @param isRefused the store said so; else it expired while it waited */
  renew(id: string, isRefused: boolean): void {
    this.#credentials.delete(id);
    const upload = this.#context.ledger.apply(id, { type: 'credential-expired', isRefused });
    this.#exits.needsCredential(upload);
  }

  #leave(
    id: string,
    event: { type: 'put-succeeded' } | { type: 'put-lost'; costsAttempt: boolean },
  ): void {
    if (!stillIn(this.#context.ledger, id, 'uploading')) return;
    this.#credentials.delete(id);
    this.#exits.next(this.#context.ledger.apply(id, event));
  }
}
