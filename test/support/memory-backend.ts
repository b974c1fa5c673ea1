import { UploadError } from '../../src/errors/upload-error.ts';
import type { AssetChange, AssetStage } from '../../src/protocol/index.ts';
import type {
  CredentialRequest,
  FinalizeRequest,
  PutOutcome,
  PutRequest,
  UploadAdapter,
  WatchListener,
} from '../../src/transports/adapter.ts';
import type { VirtualRuntime } from './virtual-runtime.ts';

export interface BackendFaults {
  /** Called before the effect; what it throws is the answer. */
  credentials?: (files: readonly CredentialRequest[], call: number) => void;
  put?: (key: string, attempt: number) => void;
  /** Called before a byte is sent. */
  connect?: (key: string) => void;
  /** Called after the bytes were stored: the answer is lost, or an error. */
  putStored?: (key: string, attempt: number) => PutOutcome | undefined;
  finalize?: (items: readonly FinalizeRequest[], call: number) => void;
  /** Called after the effect. */
  finalized?: (call: number) => void;
  /** Assets that fail in processing. */
  processing?: (checksum: string) => AssetStage | undefined;
}

interface Reservation {
  readonly assetId: string;
  readonly checksum: string;
  finalizedAs?: string;
}

/**
 * A whole backend on virtual time: reservations by client id, a create-only store, finalize with
 * duplicates by checksum, and background stages that report on a stream. It counts what arrives, so
 * that a test can hold the client to its promises.
 */
export class MemoryBackend {
  readonly runtime: VirtualRuntime;
  readonly faults: BackendFaults;
  readonly putLatencyMs: number;
  readonly credentialTtlMs: number;
  readonly reservations = new Map<string, Reservation>();
  readonly objects = new Map<string, number>();
  /** Asset by checksum: what the library holds. */
  readonly library = new Map<string, string>();
  readonly puts = new Map<string, number>();
  credentialCalls = 0;
  finalizeCalls = 0;
  finalizedItems = 0;
  maxConcurrentPuts = 0;
  putTimes: number[] = [];
  watchers = 0;
  #concurrentPuts = 0;
  #version = 0;
  #nextAsset = 1;
  #listener: WatchListener | undefined;
  readonly #changes = new Map<string, AssetChange>();

  constructor(
    runtime: VirtualRuntime,
    faults: BackendFaults = {},
    { putLatencyMs = 40, credentialTtlMs = 300_000 } = {},
  ) {
    this.runtime = runtime;
    this.faults = faults;
    this.putLatencyMs = putLatencyMs;
    this.credentialTtlMs = credentialTtlMs;
  }

  /** @param reachable what a probe of the store's host says */
  adapter({ maxConcurrency = 6, reachable = false } = {}): UploadAdapter {
    return {
      name: 'memory',
      capabilities: { maxConcurrency, maxBatchFiles: 500 },
      isStoreReachable: async () => reachable,
      credentials: async (files) => {
        const call = ++this.credentialCalls;
        await this.runtime.sleep(5);
        this.faults.credentials?.(files, call);
        return files.map((file) => this.#reserve(file));
      },
      put: (request) => this.#put(request),
      finalize: async (items) => {
        const call = ++this.finalizeCalls;
        await this.runtime.sleep(10);
        this.faults.finalize?.(items, call);
        const results = items.map((item) => this.#finalize(item));
        this.faults.finalized?.(call);
        return results;
      },
      watch: (listener) => {
        this.watchers += 1;
        this.#listener = listener;
        listener.onConnected('stream');
        return () => {
          this.watchers -= 1;
          this.#listener = undefined;
        };
      },
      assetChanges: async (ids) => {
        await this.runtime.sleep(5);
        return ids.map((id) => this.#changes.get(id)).filter((change) => change !== undefined);
      },
      retryProcessing: async (assetId) => {
        await this.runtime.sleep(5);
        this.#advance(assetId, 'searchable', 20);
      },
    };
  }

  /** News are produced but nobody hears them. */
  dropStream(): void {
    this.#listener = undefined;
  }

  #reserve({ id, checksum }: CredentialRequest) {
    const existing = this.library.get(checksum);
    if (existing !== undefined) return { status: 'duplicate', assetId: existing } as const;
    const known = this.reservations.get(id);
    const reservation = known ?? { assetId: `asset-${this.#nextAsset++}`, checksum };
    this.reservations.set(id, reservation);
    const credential = {
      uploadUrl: `memory:${reservation.assetId}`,
      assetId: reservation.assetId,
      pathname: reservation.assetId,
      method: 'PUT',
      headers: {},
      expiresAt: new Date(this.runtime.epochNow() + this.credentialTtlMs).toISOString(),
      expiresInMs: this.credentialTtlMs,
    } as const;
    return { status: 'granted', credential } as const;
  }

  async #put({ credential, body, signal, onProgress }: PutRequest): Promise<PutOutcome> {
    const key = credential.pathname;
    const attempt = (this.puts.get(key) ?? 0) + 1;
    this.puts.set(key, attempt);
    this.putTimes.push(this.runtime.now());
    this.#concurrentPuts += 1;
    this.maxConcurrentPuts = Math.max(this.maxConcurrentPuts, this.#concurrentPuts);
    try {
      this.faults.connect?.(key);
      await this.runtime.sleep(this.putLatencyMs / 2);
      if (signal.aborted) throw new UploadError('cancelled', 'cancelled');
      onProgress(body.size / 2);
      this.faults.connect?.(key);
      await this.runtime.sleep(this.putLatencyMs / 2);
      if (signal.aborted) throw new UploadError('cancelled', 'cancelled');
      this.faults.put?.(key, attempt);
      if (this.objects.has(key)) throw new UploadError('already_exists', 'exists', { status: 412 });
      this.objects.set(key, body.size);
      onProgress(body.size);
      return this.faults.putStored?.(key, attempt) ?? 'stored';
    } finally {
      this.#concurrentPuts -= 1;
    }
  }

  #finalize({ assetId, checksum }: FinalizeRequest) {
    this.finalizedItems += 1;
    if (!this.objects.has(assetId)) {
      const error = new UploadError('not_uploaded', 'no such object', { status: 409 });
      return { status: 'failed', error } as const;
    }
    const existing = this.library.get(checksum);
    const isDuplicate = existing !== undefined && existing !== assetId;
    const id = existing ?? assetId;
    if (existing === undefined) {
      this.library.set(checksum, assetId);
      const failedStage = this.faults.processing?.(checksum);
      this.#advance(assetId, 'embedding', 30);
      this.#advance(assetId, failedStage ?? 'searchable', 60);
    }
    const asset = { id, blobUrl: `memory:${id}`, isDuplicate, needsProcessing: true };
    return { status: 'finalized', asset } as const;
  }

  #advance(assetId: string, stage: AssetStage, afterMs: number): void {
    this.runtime.setTimer(() => {
      const error =
        stage === 'failed' ? { code: 'processing_failed' as const, detail: 'no disk' } : null;
      const change = { id: assetId, version: ++this.#version, stage, thumbnailUrl: null, error };
      this.#changes.set(assetId, change);
      this.#listener?.onChanges([change]);
    }, afterMs);
  }
}
