import type { FaultAsset } from './fault-backend.ts';
import type { StoredObject } from './object-shelf.ts';
import type { RecordedRequest } from './request-log.ts';

/** What was promised about an upload that got a credential. */
export interface ReservedUpload {
  readonly assetId: string;
  readonly clientId: string;
  readonly filename: string;
  readonly sizeBytes: number;
  readonly checksum: string;
  readonly key: string;
  /** The asset it became; null while its bytes are not finalized. */
  readonly finalizedAs: string | null;
}

/** Everything a fault server holds, as plain data: what a test asserts on, in any process. */
export interface FaultServerState {
  readonly requests: readonly RecordedRequest[];
  readonly objects: readonly Omit<StoredObject, 'body'>[];
  readonly assets: readonly Readonly<FaultAsset>[];
  readonly reservations: readonly ReservedUpload[];
  /** PUTs that came for each key, whatever became of them. */
  readonly putCounts: Readonly<Record<string, number>>;
  /** Event streams that are open. */
  readonly streams: number;
}
