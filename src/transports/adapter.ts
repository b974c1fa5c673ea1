import type { UploadError } from '../errors/upload-error.ts';
import type {
  AssetChange,
  Credential,
  FinalizedAsset,
  PackLimits,
  Stats,
} from '../protocol/index.ts';

/** What an adapter is told of a file. */
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
  readonly upload: CredentialRequest;
  readonly credential: Credential;
  /** A File or Blob, never an ArrayBuffer: browsers send those five times slower (measured). */
  readonly body: Blob;
  readonly signal: AbortSignal;
  /** Bytes sent so far; called as the browser reports them. */
  readonly onProgress: (sentBytes: number) => void;
}

/**
 * `stored`: the store has it; finalize is next. `lost`: every byte was sent, but no answer came; only the
 * store knows. `finalized`: the backend stored it and took it into the library in one step.
 */
export type PutOutcome = 'stored' | 'lost' | { readonly finalized: FinalizedAsset };

/** One file of a pack. */
export interface PackItem {
  readonly upload: CredentialRequest;
  readonly credential: Credential;
  readonly body: Blob;
  /** The same in memory, as it was hashed, where it is: to be sent in place of `body`. */
  readonly bytes?: ArrayBuffer | undefined;
}

export interface PackRequest {
  readonly items: readonly PackItem[];
  readonly signal: AbortSignal;
  /** Bytes of the files' contents sent so far. */
  readonly onProgress: (sentBytes: number) => void;
}

export type PackOutcome = PutOutcome | { readonly failed: UploadError };

/** An upload whose bytes were sent. */
export interface FinalizeRequest extends CredentialRequest {
  /** The credential's. */
  readonly assetId: string;
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

/** What a backend can do. `defineAdapter` fills in what is left out. */
export interface AdapterCapabilities {
  /** Most PUTs at once. Browsers open six HTTP/1.1 connections to one host. */
  readonly maxConcurrency: number;
  /** Most files in one `credentials`, `finalize` or `reconcile` call. */
  readonly maxBatchFiles: number;
  /** A second PUT of the same credential is refused and changes nothing. Default false. */
  readonly createOnly?: boolean;
  /**
   * What the store or the server compares the received bytes with. With `none` (default) the SDK reads files
   * of up to 32 MB once more before they are sent, compares them with what was hashed, and sends those very
   * bytes.
   */
  readonly checksum?: 'sha256' | 'none';
  /**
   * Whether finalize looks into the store before it takes an upload. Where it does not (default), `head` is
   * asked about uploads whose answer was lost; without `head` they are sent again.
   */
  readonly verifiesAtFinalize?: boolean;
  /** Large files go in parts, several at a time, and go on where they stopped. Default false. */
  readonly multipart?: boolean;
  /** What one pack takes. Absent: no packs (yet): it may become known by the first credentials. */
  readonly pack?: PackLimits | undefined;
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
  /** Many small files in one request, within `capabilities.pack`; a rejection speaks of all of them. */
  putPack?(request: PackRequest): Promise<readonly PackOutcome[]>;
  /** Whether the store has these bytes. @returns in the order of the requests */
  head?(items: readonly FinalizeRequest[], signal: AbortSignal): Promise<readonly boolean[]>;
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
  /**
   * The upload was cancelled, refused, or cleared as a dead letter after its PUT had begun: the backend may forget what
   * it has of it. Called with the credential of its last PUT; never awaited.
   */
  abort?(credential: Credential): Promise<void>;
  /** Whether the store's host answers at all, whatever it answers: tells a blocked page from an outage. */
  isStoreReachable?(credential: Credential): Promise<boolean>;
  /** Follows the server's work on assets until the returned function is called. */
  watch?(listener: WatchListener): () => void;
  /** Where these assets stand now: for what a stream may have missed. Unknown ids are left out. */
  assetChanges?(ids: readonly string[], signal: AbortSignal): Promise<readonly AssetChange[]>;
  /** Asks the server to process a failed asset again. */
  retryProcessing?(assetId: string, signal: AbortSignal): Promise<void>;
  /**
   * What something thrown by one of these methods means, where it is no {@link UploadError}: an error of the
   * backend's own client, say. Without an answer it counts as `unexpected`, and is tried again.
   */
  classify?(error: unknown): UploadError | undefined;
}
