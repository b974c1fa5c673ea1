import type { UploadError } from '../errors/upload-error.ts';
import type { AssetChange, Credential, FinalizedAsset, Stats } from '../protocol/index.ts';

/** What the adapter may ask a credential for. */
export interface CredentialRequest {
  /** The upload's id: the same id asked again must give the same asset. */
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly mimeType: string;
  /** SHA-256, 64 lower-case hex digits. */
  readonly checksum: string;
}

/** The answer for one file. */
export type CredentialResult =
  | { readonly status: 'granted'; readonly credential: Credential }
  | { readonly status: 'duplicate'; readonly assetId: string }
  | { readonly status: 'failed'; readonly error: UploadError };

export interface PutRequest {
  readonly credential: Credential;
  /** A File or Blob, never an ArrayBuffer: browsers send those five times slower (measured). */
  readonly body: Blob;
  readonly signal: AbortSignal;
  /** Bytes sent so far; called as the browser reports them. */
  readonly onProgress: (sentBytes: number) => void;
}

/** `lost`: every byte was sent, but no answer came; only the store knows. */
export type PutOutcome = 'stored' | 'lost';

export interface FinalizeRequest {
  readonly assetId: string;
  readonly checksum: string;
}

export type FinalizeOutcome =
  | { readonly status: 'finalized'; readonly asset: FinalizedAsset }
  | { readonly status: 'failed'; readonly error: UploadError };

/** An upload of an earlier page. */
export interface ReconcileRequest {
  /** The id its credential was asked for with. */
  readonly id: string;
  /** SHA-256, 64 lower-case hex digits. */
  readonly checksum: string;
}

/**
 * What the server has of it. `finalized`: all there is to do; `isDuplicate` when the asset is another
 * upload's. `uploaded`: the store has all bytes, and finalize takes them. `unknown`: begin anew.
 */
export type ReconcileResult =
  | {
      readonly kind: 'finalized';
      readonly assetId: string;
      readonly isDuplicate: boolean;
      readonly needsProcessing: boolean;
    }
  | { readonly kind: 'uploaded'; readonly assetId: string }
  | { readonly kind: 'unknown' };

/** Called with what the server says about assets. */
export interface WatchListener {
  onConnected(how: 'stream' | 'polling'): void;
  onDisconnected(): void;
  onStats(stats: Stats): void;
  onChanges(changes: readonly AssetChange[]): void;
}

export interface AdapterCapabilities {
  /** Most PUTs at once. Browsers open six HTTP/1.1 connections to one host. */
  readonly maxConcurrency: number;
  /** Most files in one `credentials`, `finalize` or `reconcile` call. */
  readonly maxBatchFiles: number;
}

/**
 * How uploads reach one kind of backend. Methods reject with {@link UploadError}; a rejection speaks
 * of the whole batch, a `failed` result of one file. Results come in the order of the requests.
 */
export interface UploadAdapter {
  readonly name: string;
  readonly capabilities: AdapterCapabilities;
  credentials(
    files: readonly CredentialRequest[],
    signal: AbortSignal,
  ): Promise<readonly CredentialResult[]>;
  put(request: PutRequest): Promise<PutOutcome>;
  finalize(
    items: readonly FinalizeRequest[],
    signal: AbortSignal,
  ): Promise<readonly FinalizeOutcome[]>;
  /**
   * What became of uploads whose page went away; changes nothing. Without it, or when it fails,
   * credentials and finalize find the same out.
   */
  reconcile?(
    files: readonly ReconcileRequest[],
    signal: AbortSignal,
  ): Promise<readonly ReconcileResult[]>;
  /** Whether the store's host answers at all, whatever it answers: tells a blocked page from an outage. */
  isStoreReachable?(credential: Credential): Promise<boolean>;
  /** Follows the server's work on assets until the returned function is called. */
  watch?(listener: WatchListener): () => void;
  /** Where these assets stand now: for what a stream may have missed. Unknown ids are left out. */
  assetChanges?(ids: readonly string[], signal: AbortSignal): Promise<readonly AssetChange[]>;
  /** Asks the server to process a failed asset again. */
  retryProcessing?(assetId: string, signal: AbortSignal): Promise<void>;
}
