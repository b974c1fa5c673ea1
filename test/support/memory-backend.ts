import { UploadError } from '../../src/errors/upload-error.ts';
import type { AssetChange, AssetStage, PackLimits } from '../../src/protocol/index.ts';
import type {
  CredentialRequest,
  FinalizeRequest,
  PackOutcome,
  PackRequest,
  PutOutcome,
  PutRequest,
  ReconcileRequest,
  ReconcileResult,
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
  /** Called before the effect; what it throws is the answer to the pack. */
  pack?: (files: readonly string[], call: number) => void;
  /** Called with each file before its effect; what it gives is the answer for this file. */
  packed?: (file: string, call: number) => PackOutcome | undefined;
  /** Called after the effect; true: the answer is lost. */
  packStored?: (call: number) => boolean;
  finalize?: (items: readonly FinalizeRequest[], call: number) => void;
  /** Called after the effect. */
  finalized?: (call: number) => void;
  /** Called before the answer, which waits for it; what it throws is the answer. */
  reconcile?: (files: readonly ReconcileRequest[], signal: AbortSignal) => Promise<void> | void;
  /** Assets that fail in processing; `lost`: because the store lost their bytes. */
  processing?: (checksum: string) => AssetStage | 'lost' | undefined;
}

interface Reservation {
  readonly assetId: string;
  readonly checksum: string;
  readonly clientId: string;
  readonly name: string;
  readonly sizeBytes: number;
  finalizedAs?: string;
}

/** One request, and its answer as far as one came. */
export interface MemoryRequest {
  readonly route: 'credentials' | 'put' | 'pack' | 'finalize' | 'reconcile';
  readonly key?: string;
  readonly sizeBytes?: number;
  /** In a pack. */
  readonly files?: number;
  readonly atMs: number;
  endedAtMs?: number;
  status?: number;
  retryAfterMs?: number;
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
  readonly finalizeLatencyMs: number;
  readonly credentialTtlMs: number;
  /** From being finalized to having a thumbnail, and from there to being searchable. */
  readonly stageMs: number;
  readonly reservations = new Map<string, Reservation>();
  readonly objects = new Map<string, number>();
  /** Asset by checksum: what the library holds. */
  readonly library = new Map<string, string>();
  readonly puts = new Map<string, number>();
  /** What was sent, and what came of it. */
  readonly requests: MemoryRequest[] = [];
  /** What is stored, by key. */
  readonly bodies = new Map<string, Blob>();
  /** How far the server's clock is ahead of the client's monotonic one. */
  clockAheadMs = 0;
  credentialCalls = 0;
  packCalls = 0;
  finalizeCalls = 0;
  finalizedItems = 0;
  maxConcurrentPuts = 0;
  putTimes: number[] = [];
  watchers = 0;
  #concurrentPuts = 0;
  #version = 0;
  #nextAsset = 1;
  #listener: WatchListener | undefined;
  readonly #grantedMs = new Map<string, number>();
  readonly #changes = new Map<string, AssetChange>();

  constructor(
    runtime: VirtualRuntime,
    faults: BackendFaults = {},
    { putLatencyMs = 40, credentialTtlMs = 300_000, finalizeLatencyMs = 10, stageMs = 30 } = {},
  ) {
    this.runtime = runtime;
    this.faults = faults;
    this.putLatencyMs = putLatencyMs;
    this.finalizeLatencyMs = finalizeLatencyMs;
    this.credentialTtlMs = credentialTtlMs;
    this.stageMs = stageMs;
  }

  /**
   * @param options `reachable`: what a probe of the store's host says; `pack`: what one pack takes, known from
   *   the first credentials on
   */
  adapter({
    maxConcurrency = 6,
    reachable = false,
    pack,
  }: {
    maxConcurrency?: number;
    reachable?: boolean;
    pack?: PackLimits;
  } = {}): UploadAdapter {
    const isAnnounced = () => this.credentialCalls > 0;
    return {
      name: 'memory',
      capabilities: {
        ...{ maxConcurrency, maxBatchFiles: 500 },
        ...{ createOnly: true, checksum: 'sha256', verifiesAtFinalize: true },
        get pack() {
          return isAnnounced() ? pack : undefined;
        },
      },
      putPack: (request) => {
        const sizeBytes = request.items.reduce((sum, { body }) => sum + body.size, 0);
        const files = request.items.length;
        return this.#recorded({ route: 'pack', sizeBytes, files }, () => this.#putPack(request));
      },
      isStoreReachable: async () => reachable,
      credentials: (files) =>
        this.#recorded({ route: 'credentials' }, async () => {
          const call = ++this.credentialCalls;
          await this.runtime.sleep(5);
          this.faults.credentials?.(files, call);
          return files.map((file) => this.#reserve(file));
        }),
      put: (request) => {
        const { pathname: key } = request.credential;
        return this.#recorded({ route: 'put', key, sizeBytes: request.body.size }, () =>
          this.#put(request),
        );
      },
      finalize: (items) =>
        this.#recorded({ route: 'finalize' }, async () => {
          const call = ++this.finalizeCalls;
          await this.runtime.sleep(this.finalizeLatencyMs);
          this.faults.finalize?.(items, call);
          const results = items.map((item) => this.#finalize(item));
          this.faults.finalized?.(call);
          return results;
        }),
      reconcile: (files, signal) =>
        this.#recorded({ route: 'reconcile' }, async () => {
          await this.runtime.sleep(5);
          await this.faults.reconcile?.(files, signal);
          return files.map((file) => this.#reconcile(file));
        }),
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

  /** Where an asset stands. */
  stageOf(assetId: string): AssetStage {
    return this.#changes.get(assetId)?.stage ?? 'processing';
  }

  async #recorded<T>(
    about: Pick<MemoryRequest, 'route' | 'key' | 'sizeBytes' | 'files'>,
    answer: () => Promise<T>,
  ): Promise<T> {
    const request: MemoryRequest = { ...about, atMs: this.runtime.now() };
    this.requests.push(request);
    try {
      const result = await answer();
      if (result !== 'lost') request.status = 200;
      return result;
    } catch (error) {
      if (error instanceof UploadError) {
        if (error.status !== undefined) request.status = error.status;
        if (error.retryAfterMs !== undefined) request.retryAfterMs = error.retryAfterMs;
      }
      throw error;
    } finally {
      request.endedAtMs = this.runtime.now();
    }
  }

  #reserve({ id, checksum, name, sizeBytes }: CredentialRequest) {
    const existing = this.library.get(checksum);
    if (existing !== undefined) return { status: 'duplicate', assetId: existing } as const;
    const known = this.reservations.get(id);
    const reservation = known ?? {
      ...{ assetId: `asset-${this.#nextAsset++}`, checksum },
      ...{ clientId: id, name, sizeBytes },
    };
    this.reservations.set(id, reservation);
    this.#grantedMs.set(reservation.assetId, this.runtime.now() + this.clockAheadMs);
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
      const ageMs = this.runtime.now() + this.clockAheadMs - (this.#grantedMs.get(key) ?? 0);
      await this.runtime.sleep(this.putLatencyMs / 2);
      if (signal.aborted) throw new UploadError('cancelled', 'cancelled');
      onProgress(body.size / 2);
      this.faults.connect?.(key);
      await this.runtime.sleep(this.putLatencyMs / 2);
      if (signal.aborted) throw new UploadError('cancelled', 'cancelled');
      if (ageMs > this.credentialTtlMs) {
        throw new UploadError('url_expired', 'expired', { status: 403 });
      }
      this.faults.put?.(key, attempt);
      if (this.objects.has(key)) throw new UploadError('already_exists', 'exists', { status: 412 });
      this.objects.set(key, body.size);
      this.bodies.set(key, body);
      onProgress(body.size);
      return this.faults.putStored?.(key, attempt) ?? 'stored';
    } finally {
      this.#concurrentPuts -= 1;
    }
  }

  async #putPack({ items, signal, onProgress }: PackRequest): Promise<readonly PackOutcome[]> {
    const call = ++this.packCalls;
    const keys = items.map(({ credential }) => credential.pathname);
    const names = items.map(({ upload }) => upload.name);
    const bytes = items.reduce((sum, { body }) => sum + body.size, 0);
    await this.runtime.sleep(this.putLatencyMs / 2);
    if (signal.aborted) throw new UploadError('cancelled', 'cancelled');
    onProgress(bytes / 2);
    await this.runtime.sleep(this.putLatencyMs / 2);
    if (signal.aborted) throw new UploadError('cancelled', 'cancelled');
    this.faults.pack?.(names, call);
    onProgress(bytes);
    const outcomes = items.map(({ upload, body, bytes }, at): PackOutcome => {
      const refused = this.faults.packed?.(upload.name, call);
      if (refused) return refused;
      const key = keys[at] ?? '';
      this.puts.set(key, (this.puts.get(key) ?? 0) + 1);
      this.objects.set(key, body.size);
      this.bodies.set(key, bytes ? new Blob([bytes]) : body);
      const finalized = this.#finalize({ ...upload, assetId: key });
      return finalized.status === 'finalized'
        ? { finalized: finalized.asset }
        : { failed: finalized.error };
    });
    return this.faults.packStored?.(call) ? items.map(() => 'lost') : outcomes;
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
      const failure = this.faults.processing?.(checksum);
      const code = failure === 'lost' ? 'missing_blob' : 'processing_failed';
      if (failure === 'lost') {
        this.objects.delete(assetId);
        this.library.delete(checksum);
      }
      this.#advance(assetId, 'embedding', this.stageMs);
      const last = failure === 'lost' ? 'failed' : (failure ?? 'searchable');
      this.#advance(assetId, last, 2 * this.stageMs, code);
    }
    const asset = { id, blobUrl: `memory:${id}`, isDuplicate, needsProcessing: true };
    return { status: 'finalized', asset } as const;
  }

  #reconcile({ id, checksum }: ReconcileRequest): ReconcileResult {
    const known = this.reservations.get(id);
    const own = known?.checksum === checksum ? known : undefined;
    const assetId = this.library.get(checksum);
    if (assetId !== undefined) {
      const isDuplicate = own?.assetId !== assetId;
      return { kind: 'finalized', assetId, isDuplicate, needsProcessing: true };
    }
    if (!own || !this.objects.has(own.assetId)) return { kind: 'unknown' };
    return { kind: 'uploaded', assetId: own.assetId };
  }

  #advance(
    assetId: string,
    stage: AssetStage,
    afterMs: number,
    code: 'processing_failed' | 'missing_blob' = 'processing_failed',
  ): void {
    this.runtime.setTimer(() => {
      const error = stage === 'failed' ? { code, detail: 'As planned' } : null;
      const change = { id: assetId, version: ++this.#version, stage, thumbnailUrl: null, error };
      this.#changes.set(assetId, change);
      this.#listener?.onChanges([change]);
    }, afterMs);
  }
}
