import { randomUUID } from 'node:crypto';
import {
  type Asset,
  type AssetChange,
  type AssetStage,
  type FileProblem,
  type FinalizedAsset,
  type FinalizeItem,
  type FinalizeResult,
  PROBLEMS,
  type ReconcileFile,
  type ReconcileResult,
  type Stats,
  type UploadRequest,
} from '../protocol/index.ts';
import type { ResolvedProcessing } from './fault-options.ts';
import { fitsPattern } from './fault-plan.ts';
import type { StoredObject } from './object-shelf.ts';

/** What was promised about one upload. */
export interface Reservation extends UploadRequest {
  readonly assetId: string;
  readonly key: string;
  /** The asset it became: its own, or the one that had these bytes before. */
  finalizedAs: string | null;
}

/** The record of one file that was finalized. Plain data. */
export interface FaultAsset {
  readonly id: string;
  readonly clientId: string;
  readonly filename: string;
  readonly path: string | null;
  readonly mimeType: string;
  readonly sizeBytes: number;
  readonly checksum: string;
  readonly key: string;
  readonly createdAt: string;
  stage: AssetStage;
  version: number;
  error: FileProblem | null;
  /** How often processing began. */
  runs: number;
}

export interface BackendParts {
  /** The server's clock, its skew included. */
  readonly now: () => number;
  /** The object as the store shows it just now. */
  readonly look: (key: string) => StoredObject | undefined;
  /** A duplicate's object, which nobody needs. */
  readonly discard: (key: string) => void;
  readonly blobUrl: (key: string) => string;
  readonly changed: (change: AssetChange) => void;
}

/** Reservations, assets and their processing, in memory: the server kit's promises without its work. */
export class FaultBackend {
  readonly assets = new Map<string, FaultAsset>();
  readonly reservations = new Map<string, Reservation>();
  readonly #parts: BackendParts;
  readonly #byClientId = new Map<string, Reservation>();
  readonly #byChecksum = new Map<string, FaultAsset>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** How often each planned failure met each asset. */
  readonly #failed = new Map<string, number>();
  #processing: ResolvedProcessing;
  #version = 0;

  constructor(parts: BackendParts, processing: ResolvedProcessing) {
    this.#parts = parts;
    this.#processing = processing;
  }

  setProcessing(processing: ResolvedProcessing): void {
    this.#processing = processing;
    this.#failed.clear();
  }

  /** The asset that has these bytes, if the user has them. */
  assetOf(checksum: string): FaultAsset | undefined {
    return this.#byChecksum.get(checksum);
  }

  reservationOfKey(key: string): Reservation | undefined {
    return this.reservations.get(key.slice(key.lastIndexOf('/') + 1));
  }

  /** The same client id gives the same reservation, or none when it names another file. */
  reserve(file: UploadRequest): Reservation | null {
    const known = this.#byClientId.get(file.clientId);
    if (known) {
      const isSame =
        known.checksum === file.checksum &&
        known.size === file.size &&
        known.filename === file.filename &&
        known.mimeType === file.mimeType;
      return isSame && known.finalizedAs === null ? known : null;
    }
    const assetId = randomUUID();
    const key = `originals/${assetId}`;
    const reservation: Reservation = { ...file, assetId, key, finalizedAs: null };
    this.#byClientId.set(file.clientId, reservation);
    this.reservations.set(assetId, reservation);
    return reservation;
  }

  /** Idempotent: whatever is repeated gets the same answer. */
  finalize({ assetId, checksum }: FinalizeItem): FinalizeResult {
    const failed = (error: FileProblem) => ({ assetId, success: false, error }) as const;
    const reservation = this.reservations.get(assetId);
    if (!reservation) return failed({ code: 'not_found', detail: 'There is no such upload' });
    if (checksum !== undefined && checksum !== reservation.checksum) {
      return failed({ code: 'checksum_mismatch', detail: 'Another checksum was promised' });
    }
    if (reservation.finalizedAs === null) {
      const object = this.#parts.look(reservation.key);
      if (!object) return failed({ code: 'not_uploaded', detail: 'The bytes have not arrived' });
      if (object.checksum !== reservation.checksum) {
        return failed({ code: 'checksum_mismatch', detail: 'Other bytes are stored' });
      }
      this.#settle(reservation);
    }
    const asset = this.assets.get(reservation.finalizedAs ?? assetId);
    if (!asset) return failed({ code: 'not_found', detail: 'The asset is gone' });
    return { assetId, success: true, asset: this.finalized(asset, asset.id !== assetId) };
  }

  reservationOf(clientId: string): Reservation | undefined {
    return this.#byClientId.get(clientId);
  }

  /** What became of an upload whose page went away. A second copy is left to finalize. */
  reconcile({ clientId, checksum }: ReconcileFile): ReconcileResult {
    const known = this.reservationOf(clientId);
    const own = known?.checksum === checksum ? known : undefined;
    if (own?.finalizedAs === null && this.#parts.look(own.key)?.checksum === checksum) {
      return { clientId, status: 'uploaded', assetId: own.assetId };
    }
    const asset = this.assetOf(checksum);
    if (!asset) return { clientId, status: 'unknown' };
    const isDuplicate = asset.id !== own?.assetId;
    return { clientId, status: 'finalized', asset: this.finalized(asset, isDuplicate) };
  }

  finalized(asset: FaultAsset, isDuplicate: boolean): FinalizedAsset {
    const needsProcessing = asset.stage === 'processing';
    return { id: asset.id, blobUrl: this.#parts.blobUrl(asset.key), isDuplicate, needsProcessing };
  }

  changes(ids: readonly string[]): AssetChange[] {
    return ids.flatMap((id) => {
      const asset = this.assets.get(id);
      return asset ? [toChange(asset)] : [];
    });
  }

  changesSince(version: number): AssetChange[] {
    const newer = [...this.assets.values()].filter((asset) => asset.version > version);
    return newer.sort((a, b) => a.version - b.version).map(toChange);
  }

  stats(): Stats {
    const stages = [...this.assets.values()].map(({ stage }) => stage);
    const of = (...wanted: AssetStage[]) => stages.filter((stage) => wanted.includes(stage)).length;
    return {
      total: stages.length,
      uploaded: stages.length,
      processed: of('embedding', 'searchable'),
      embedded: of('searchable'),
      failed: of('failed'),
    };
  }

  /** Begins anew with an asset that failed; any other stays as it is. */
  retry(id: string): Asset | undefined {
    const asset = this.assets.get(id);
    if (!asset) return undefined;
    if (asset.stage === 'failed') this.#process(asset);
    return this.#view(asset);
  }

  /** Forgets everything. Versions go on, as streams of before may still hold one. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.assets.clear();
    this.reservations.clear();
    this.#byClientId.clear();
    this.#byChecksum.clear();
    this.#failed.clear();
  }

  #settle(reservation: Reservation): void {
    const { assetId: id, checksum, key, clientId, filename, path = null, mimeType } = reservation;
    const holder = this.#byChecksum.get(checksum);
    if (holder) {
      reservation.finalizedAs = holder.id;
      this.#parts.discard(key);
      return;
    }
    const info = { id, clientId, filename, path, mimeType, checksum, key };
    const createdAt = new Date(this.#parts.now()).toISOString();
    const state = { stage: 'processing', version: 0, error: null, runs: 0 } as const;
    const asset: FaultAsset = { ...info, sizeBytes: reservation.size, createdAt, ...state };
    reservation.finalizedAs = id;
    this.assets.set(id, asset);
    this.#byChecksum.set(checksum, asset);
    this.#process(asset);
  }

  #process(asset: FaultAsset): void {
    asset.runs += 1;
    this.#move(asset, 'processing');
    this.#later(this.#processing.processMs, () => {
      if (this.#fails(asset, 'processing')) return;
      this.#move(asset, 'embedding');
      this.#later(this.#processing.embedMs, () => {
        if (!this.#fails(asset, 'embedding')) this.#move(asset, 'searchable');
      });
    });
  }

  #fails(asset: FaultAsset, stage: 'processing' | 'embedding'): boolean {
    for (const [index, failure] of this.#processing.failures.entries()) {
      if (failure.stage !== stage || !fitsPattern(failure.filename, asset.filename)) continue;
      const name = `${index} ${asset.id}`;
      const times = (this.#failed.get(name) ?? 0) + 1;
      if (times > (failure.times ?? Number.POSITIVE_INFINITY)) continue;
      this.#failed.set(name, times);
      const detail = PROBLEMS[failure.code].title;
      this.#move(asset, 'failed', { code: failure.code, detail });
      return true;
    }
    return false;
  }

  #move(asset: FaultAsset, stage: AssetStage, error: FileProblem | null = null): void {
    asset.stage = stage;
    asset.error = error;
    asset.version = ++this.#version;
    this.#parts.changed(toChange(asset));
  }

  #later(delayMs: number, callback: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    this.#timers.add(timer);
  }

  #view(asset: FaultAsset): Asset {
    const { id, filename, path, mimeType, checksum, stage, error, createdAt, version } = asset;
    const isEmbedded = stage === 'searchable';
    return {
      ...{ id, filename, path, mimeType, checksum, stage, createdAt, version },
      size: asset.sizeBytes,
      width: null,
      height: null,
      processed: stage === 'embedding' || isEmbedded,
      embedded: isEmbedded,
      processingError: error,
      embeddingError: null,
      blobUrl: this.#parts.blobUrl(asset.key),
      imageUrl: null,
      thumbnailUrl: null,
    };
  }
}

function toChange({ id, version, stage, error }: FaultAsset): AssetChange {
  return { id, version, stage, thumbnailUrl: null, error };
}
