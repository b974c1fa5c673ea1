import type { UploadFailure } from '../errors/upload-error.ts';

/** What does not change about an upload. Plain data: the File itself is held elsewhere. */
export interface UploadInfo {
  /** Made by the client; the server knows the upload by it (idempotency key). */
  readonly id: string;
  readonly name: string;
  /** Relative to the folder that was added; equal to `name` for single files. */
  readonly path: string;
  readonly sizeBytes: number;
  /** As the browser says, by the name; the server decides by the bytes. */
  readonly mimeType: string;
  readonly lastModifiedMs: number;
  /** What was added together. */
  readonly batchId: string;
}

/** `urgent`: a person asked for it; it goes first and gets more attempts. `background`: goes last. */
export type Priority = 'urgent' | 'normal' | 'background';

/** Attempts spent per step. Waits that were not the upload's fault are not counted. */
export interface Attempts {
  readonly hash: number;
  readonly credentials: number;
  readonly put: number;
  readonly finalize: number;
  /** Credentials that a PUT found refused since the last one that worked. */
  readonly refresh: number;
}

/** What a detached upload waits for: the person's permission to read, or the file itself. */
export type Need = 'permission' | 'file';

/** Where an upload can stand. */
export type Variant =
  | { readonly status: 'queued' | 'hashing' | 'cancelled' }
  /** This page cannot read the file: it was added to an earlier page, or the permission ended. */
  | { readonly status: 'detached'; readonly needs: Need; readonly checksum?: string }
  | { readonly status: 'hashed' | 'requesting'; readonly checksum: string }
  | { readonly status: 'ready' | 'uploading'; readonly checksum: string; readonly assetId: string }
  /** `put-unknown`: all bytes were sent, the answer was lost; finalize finds out. */
  | {
      readonly status: 'uploaded' | 'put-unknown';
      readonly checksum: string;
      readonly assetId: string;
    }
  | {
      readonly status: 'finalizing';
      readonly checksum: string;
      readonly assetId: string;
      readonly isPutUnknown: boolean;
    }
  | {
      readonly status: 'processing' | 'embedding' | 'searchable';
      readonly checksum: string;
      readonly assetId: string;
      /** Version of the asset that was last seen; older news is ignored. */
      readonly version: number;
    }
  | {
      readonly status: 'processing-failed';
      readonly checksum: string;
      readonly assetId: string;
      readonly version: number;
      readonly failure: UploadFailure;
    }
  /** The user had these bytes already: `assetId` is the asset that holds them. */
  | { readonly status: 'duplicate'; readonly checksum: string; readonly assetId: string }
  | { readonly status: 'rejected' | 'dead'; readonly failure: UploadFailure };

/** One upload: what it is, where it stands, and what that stand implies. Immutable. */
export type Upload = UploadInfo & {
  readonly priority: Priority;
  readonly attempts: Attempts;
} & Variant;

export type UploadStatus = Upload['status'];

export const NO_ATTEMPTS: Attempts = { hash: 0, credentials: 0, put: 0, finalize: 0, refresh: 0 };

/** In the order of the pipeline, ends last. */
export const UPLOAD_STATUSES = [
  'detached',
  'queued',
  'hashing',
  'hashed',
  'requesting',
  'ready',
  'uploading',
  'put-unknown',
  'uploaded',
  'finalizing',
  'processing',
  'embedding',
  'searchable',
  'duplicate',
  'processing-failed',
  'rejected',
  'dead',
  'cancelled',
] as const satisfies readonly UploadStatus[];

const ENDED: ReadonlySet<UploadStatus> = new Set([
  'searchable',
  'duplicate',
  'processing-failed',
  'rejected',
  'dead',
  'cancelled',
]);
const STORED: ReadonlySet<UploadStatus> = new Set([
  'processing',
  'embedding',
  'searchable',
  'duplicate',
  'processing-failed',
]);

/** No further event is expected, unless a person retries. */
export const isEnded = (status: UploadStatus): boolean => ENDED.has(status);
/** The server has acknowledged the file: the client's part is done. */
export const isStored = (status: UploadStatus): boolean => STORED.has(status);

/** A new upload, before anything was done. */
export function newUpload(info: UploadInfo, priority: Priority = 'normal'): Upload {
  return { ...info, priority, attempts: NO_ATTEMPTS, status: 'queued' };
}
