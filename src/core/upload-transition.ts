import type { UploadFailure } from '../errors/upload-error.ts';
import type { AssetStage } from '../protocol/library.ts';
import {
  type Attempts,
  isEnded,
  isStored,
  type Need,
  NO_ATTEMPTS,
  type Upload,
  type Variant,
} from './upload-state.ts';

/** Everything that can happen to an upload. */
export type UploadTransition =
  /** The file cannot be read by this page (any more); its bytes are still wanted. */
  | { readonly type: 'file-lost'; readonly needs: Need }
  /** `isSame`: by path, size and modification time. Where that is in doubt, the hash decides. */
  | { readonly type: 'file-found'; readonly isSame: boolean; readonly lastModifiedMs: number }
  /** The server says that it finalized this upload, or these bytes, before. */
  | {
      readonly type: 'found-finalized';
      readonly assetId: string;
      readonly isDuplicate: boolean;
      readonly needsProcessing: boolean;
    }
  /** The server says that the store has all bytes. */
  | { readonly type: 'found-uploaded'; readonly assetId: string }
  | { readonly type: 'hash-started' }
  | { readonly type: 'hash-succeeded'; readonly checksum: string }
  | { readonly type: 'hash-deferred'; readonly costsAttempt: boolean }
  /** The checksum was recalled, not computed, and the store found other bytes: compute it. */
  | { readonly type: 'checksum-doubted' }
  | { readonly type: 'credential-requested' }
  | { readonly type: 'credential-granted'; readonly assetId: string }
  | { readonly type: 'credential-deferred'; readonly costsAttempt: boolean }
  /** `isRefused`: the store said so; else it expired while it waited. */
  | { readonly type: 'credential-expired'; readonly isRefused: boolean }
  | { readonly type: 'duplicate-found'; readonly assetId: string }
  | { readonly type: 'put-started' }
  | { readonly type: 'put-succeeded' }
  | { readonly type: 'put-deferred'; readonly costsAttempt: boolean }
  | { readonly type: 'put-lost'; readonly costsAttempt: boolean }
  | { readonly type: 'finalize-started' }
  /** Of an upload that is being sent: the backend stored and finalized it in one step. */
  | {
      readonly type: 'finalize-succeeded';
      readonly assetId: string;
      readonly isDuplicate: boolean;
      readonly needsProcessing: boolean;
    }
  | { readonly type: 'finalize-deferred'; readonly costsAttempt: boolean }
  /** The store does not have the bytes after all, or lost them: send them again. */
  | { readonly type: 'bytes-missing' }
  | {
      readonly type: 'asset-changed';
      readonly version: number;
      readonly stage: AssetStage;
      readonly failure: UploadFailure | null;
    }
  | { readonly type: 'refused'; readonly failure: UploadFailure }
  | { readonly type: 'gave-up'; readonly failure: UploadFailure }
  | { readonly type: 'cancelled' }
  /** A person asked for it again. */
  | { readonly type: 'retried' }
  /** A person wants it before the others. */
  | { readonly type: 'boosted' };

/** The row in a new state; fields of the old state do not survive. */
function moved(upload: Upload, variant: Variant, attempts: Attempts = upload.attempts): Upload {
  const { id, name, path, sizeBytes, mimeType, lastModifiedMs, batchId, priority } = upload;
  const info = { id, name, path, sizeBytes, mimeType, lastModifiedMs, batchId };
  return { ...info, priority, attempts, ...variant };
}

function spent(upload: Upload, step: keyof Attempts, costsAttempt: boolean): Attempts {
  if (!costsAttempt) return upload.attempts;
  return { ...upload.attempts, [step]: upload.attempts[step] + 1 };
}

interface Finalized {
  readonly assetId: string;
  readonly isDuplicate: boolean;
  readonly needsProcessing: boolean;
}

function finalized(
  checksum: string,
  { assetId, isDuplicate, needsProcessing }: Finalized,
): Variant {
  if (isDuplicate) return { status: 'duplicate', checksum, assetId };
  return { status: needsProcessing ? 'processing' : 'embedding', checksum, assetId, version: 0 };
}

/** The checksum of an upload about which the server may know more than this page. */
function checksumToFind(upload: Upload): string | undefined {
  switch (upload.status) {
    case 'detached':
    case 'hashed':
    case 'put-unknown':
    case 'uploaded':
      return upload.checksum;
    default:
      return undefined;
  }
}

const STATUS_OF_STAGE = {
  processing: 'processing',
  embedding: 'embedding',
  searchable: 'searchable',
} as const;

/**
 * The upload after `event`. Pure. An event that does not fit the state returns the same object: the
 * caller reports it. `ARCHITECTURE.md` draws this function; a test compares the two.
 */
export function transition(upload: Upload, event: UploadTransition): Upload {
  switch (event.type) {
    case 'file-lost': {
      const { needs } = event;
      if (upload.status === 'queued' || upload.status === 'hashing') {
        return moved(upload, { status: 'detached', needs });
      }
      const mayLose =
        upload.status === 'hashed' || upload.status === 'ready' || upload.status === 'uploading';
      const isNew = upload.status === 'detached' && upload.needs !== needs;
      if (!mayLose && !isNew) return upload;
      const { checksum } = upload;
      const known = checksum === undefined ? {} : { checksum };
      return moved(upload, { status: 'detached', needs, ...known });
    }
    case 'file-found': {
      if (upload.status !== 'detached') return upload;
      const { checksum } = upload;
      const isHashed = event.isSame && checksum !== undefined;
      const next = moved(upload, isHashed ? { status: 'hashed', checksum } : { status: 'queued' });
      return { ...next, lastModifiedMs: event.lastModifiedMs };
    }
    case 'found-finalized': {
      const checksum = checksumToFind(upload);
      return checksum === undefined ? upload : moved(upload, finalized(checksum, event));
    }
    case 'found-uploaded': {
      const checksum = checksumToFind(upload);
      if (checksum === undefined || upload.status === 'uploaded') return upload;
      return moved(upload, { status: 'uploaded', checksum, assetId: event.assetId });
    }
    case 'hash-started':
      return upload.status === 'queued' ? moved(upload, { status: 'hashing' }) : upload;
    case 'hash-succeeded':
      if (upload.status !== 'hashing') return upload;
      return moved(upload, { status: 'hashed', checksum: event.checksum });
    case 'hash-deferred':
      if (upload.status !== 'hashing') return upload;
      return moved(upload, { status: 'queued' }, spent(upload, 'hash', event.costsAttempt));
    case 'checksum-doubted':
      return upload.status === 'uploading' ? moved(upload, { status: 'queued' }) : upload;
    case 'credential-requested':
      if (upload.status !== 'hashed') return upload;
      return moved(upload, { status: 'requesting', checksum: upload.checksum });
    case 'credential-granted':
      if (upload.status !== 'requesting') return upload;
      return moved(upload, { status: 'ready', checksum: upload.checksum, assetId: event.assetId });
    case 'credential-deferred':
      if (upload.status !== 'requesting') return upload;
      return moved(
        upload,
        { status: 'hashed', checksum: upload.checksum },
        spent(upload, 'credentials', event.costsAttempt),
      );
    case 'credential-expired':
      if (upload.status !== 'ready' && upload.status !== 'uploading') return upload;
      return moved(
        upload,
        { status: 'hashed', checksum: upload.checksum },
        spent(upload, 'refresh', event.isRefused),
      );
    case 'duplicate-found':
      if (upload.status !== 'requesting' && upload.status !== 'hashed') return upload;
      return moved(upload, {
        status: 'duplicate',
        checksum: upload.checksum,
        assetId: event.assetId,
      });
    case 'put-started':
      if (upload.status !== 'ready') return upload;
      return moved(upload, {
        status: 'uploading',
        checksum: upload.checksum,
        assetId: upload.assetId,
      });
    case 'put-succeeded':
      if (upload.status !== 'uploading') return upload;
      return moved(
        upload,
        { status: 'uploaded', checksum: upload.checksum, assetId: upload.assetId },
        { ...upload.attempts, refresh: 0 },
      );
    case 'put-deferred':
    case 'put-lost': {
      if (upload.status !== 'uploading') return upload;
      const { checksum, assetId } = upload;
      const status = event.type === 'put-lost' ? 'put-unknown' : 'ready';
      return moved(upload, { status, checksum, assetId }, spent(upload, 'put', event.costsAttempt));
    }
    case 'finalize-started':
      if (upload.status !== 'uploaded' && upload.status !== 'put-unknown') return upload;
      return moved(upload, {
        status: 'finalizing',
        checksum: upload.checksum,
        assetId: upload.assetId,
        isPutUnknown: upload.status === 'put-unknown',
      });
    case 'finalize-succeeded': {
      if (upload.status !== 'finalizing' && upload.status !== 'uploading') return upload;
      return moved(upload, finalized(upload.checksum, event));
    }
    case 'finalize-deferred':
      if (upload.status !== 'finalizing') return upload;
      return moved(
        upload,
        {
          status: upload.isPutUnknown ? 'put-unknown' : 'uploaded',
          checksum: upload.checksum,
          assetId: upload.assetId,
        },
        spent(upload, 'finalize', event.costsAttempt),
      );
    case 'bytes-missing':
      if (upload.status === 'put-unknown' || upload.status === 'processing-failed') {
        return moved(upload, { status: 'hashed', checksum: upload.checksum });
      }
      if (upload.status !== 'finalizing') return upload;
      return moved(
        upload,
        { status: 'hashed', checksum: upload.checksum },
        // A lost answer was paid for, or not, when it was lost.
        { ...spent(upload, 'put', !upload.isPutUnknown), finalize: 0 },
      );
    case 'asset-changed': {
      const isWatched =
        upload.status === 'processing' ||
        upload.status === 'embedding' ||
        upload.status === 'searchable' ||
        upload.status === 'processing-failed';
      if (!isWatched || event.version <= upload.version) return upload;
      const { checksum, assetId } = upload;
      const { version, stage, failure } = event;
      if (stage !== 'failed') {
        return moved(upload, { status: STATUS_OF_STAGE[stage], checksum, assetId, version });
      }
      return failure === null
        ? upload
        : moved(upload, { status: 'processing-failed', checksum, assetId, version, failure });
    }
    case 'refused': {
      const mayRefuse =
        upload.status === 'queued' ||
        upload.status === 'requesting' ||
        upload.status === 'uploading' ||
        upload.status === 'finalizing';
      if (!mayRefuse) return upload;
      return moved(upload, { status: 'rejected', failure: event.failure });
    }
    case 'gave-up': {
      const isWorking =
        upload.status === 'hashing' ||
        upload.status === 'requesting' ||
        upload.status === 'uploading' ||
        upload.status === 'finalizing';
      return isWorking ? moved(upload, { status: 'dead', failure: event.failure }) : upload;
    }
    case 'cancelled':
      if (isEnded(upload.status) || isStored(upload.status)) return upload;
      return moved(upload, { status: 'cancelled' });
    case 'retried':
      if (upload.status === 'dead' || upload.status === 'cancelled') {
        return { ...moved(upload, { status: 'queued' }, NO_ATTEMPTS), priority: 'urgent' };
      }
      if (upload.status === 'processing-failed') {
        const { checksum, assetId, version } = upload;
        return moved(upload, { status: 'processing', checksum, assetId, version });
      }
      return upload;
    case 'boosted':
      if (isEnded(upload.status) || isStored(upload.status) || upload.priority === 'urgent') {
        return upload;
      }
      return { ...upload, priority: 'urgent' };
  }
}
