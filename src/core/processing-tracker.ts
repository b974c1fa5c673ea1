import { UploadError, type UploadFailure } from '../errors/upload-error.ts';
import type { AssetChange, FileProblem, Stats } from '../protocol/index.ts';
import type { TimerHandle } from '../runtime/runtime.ts';
import type { StageContext } from './stages/stage.ts';
import { isEnded, type Upload } from './upload-state.ts';

/** News of assets that finalize has not named yet; a batch's answer is at most this far behind. */
const MAX_EARLY_CHANGES = 5_000;
/** Without news for so long, ask: the stream may have lost some. */
const ASK_AFTER_SILENCE_MS = 10_000;
/** While there is no stream, asking is the only way to know. */
const ASK_WHILE_POLLING_MS = 3_000;
const ASK_AT_ONCE = 500;

function toFailure(error: FileProblem | null): UploadFailure | null {
  return error && new UploadError(error.code, error.detail).toFailure();
}

/** Follows finalized uploads through processing and embedding until they are searchable. */
export class ProcessingTracker {
  readonly #context: StageContext;
  /** Uploads that are not searchable yet, by asset. Two uploads may share one asset. */
  readonly #pending = new Map<string, string>();
  readonly #early = new Map<string, AssetChange>();
  /** Assets that failed for good. */
  readonly #failed = new Set<string>();
  /** How many duplicates share the fate of an asset that is not searchable (yet). */
  readonly #sharing = new Map<string, number>();
  #sharingCount = 0;
  #stopWatching: (() => void) | undefined;
  #isWatching = false;
  #askTimer: TimerHandle | undefined;
  #isAsking = false;
  #watch: 'off' | 'stream' | 'polling' = 'off';
  #stats: Stats | null = null;

  constructor(context: StageContext) {
    this.#context = context;
  }

  get watch(): 'off' | 'stream' | 'polling' {
    return this.#watch;
  }

  get stats(): Stats | null {
    return this.#stats;
  }

  /** Duplicates of assets that are not searchable: of assets this page knows to be on their way, or failed. */
  get unsearchableDuplicates(): number {
    return this.#sharingCount;
  }

  /** Uploads on their way to being searchable. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Whether the adapter can tell at all what becomes of assets. */
  get #canFollow(): boolean {
    const { watch, assetChanges } = this.#context.adapter;
    return watch !== undefined || assetChanges !== undefined;
  }

  /** Listens before the first finalize, so that no news is missed. */
  start(): void {
    const { adapter } = this.#context;
    if (this.#isWatching || !this.#canFollow) return;
    this.#isWatching = true;
    if (!adapter.watch) {
      this.#watch = 'polling';
      this.#armAsk();
      return;
    }
    this.#stopWatching = adapter.watch({
      onConnected: (how) => {
        this.#watch = how;
        this.#context.onChange();
        void this.#ask();
      },
      onDisconnected: () => {
        this.#watch = 'off';
        this.#context.onChange();
      },
      onStats: (stats) => {
        this.#stats = stats;
        this.#context.onChange();
      },
      onChanges: (changes) => {
        for (const change of changes) this.#take(change);
        this.#armAsk();
      },
    });
    this.#armAsk();
  }

  stop(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#isWatching = false;
    this.#watch = 'off';
    if (this.#askTimer !== undefined) this.#context.runtime.clearTimer(this.#askTimer);
    this.#askTimer = undefined;
    this.#early.clear();
  }

  /** Takes an upload that the server acknowledged. */
  accept(upload: Upload): void {
    if (upload.status === 'duplicate') this.#share(upload.assetId);
    if (isEnded(upload.status) || !('assetId' in upload)) return;
    // Nobody will tell: then the client's part is all there is to wait for.
    if (!this.#canFollow) return;
    this.#pending.set(upload.assetId, upload.id);
    const early = this.#early.get(upload.assetId);
    if (!early) return;
    this.#early.delete(upload.assetId);
    this.#apply(upload.id, early);
  }

  #take(change: AssetChange): void {
    const { id: assetId, stage, thumbnailUrl, error } = change;
    this.#context.emitter.emit({ type: 'asset-changed', assetId, stage, thumbnailUrl, error });
    const uploadId = this.#pending.get(assetId);
    if (uploadId !== undefined) {
      this.#apply(uploadId, change);
      return;
    }
    const known = this.#early.get(assetId);
    if (known && known.version >= change.version) return;
    this.#early.set(assetId, change);
    if (this.#early.size > MAX_EARLY_CHANGES) {
      const [oldest] = this.#early.keys();
      if (oldest !== undefined) this.#early.delete(oldest);
    }
  }

  #apply(uploadId: string, { id: assetId, version, stage, error }: AssetChange): void {
    const event = { type: 'asset-changed', version, stage, failure: toFailure(error) } as const;
    const upload = this.#context.ledger.apply(uploadId, event);
    if (isEnded(upload.status)) {
      this.#pending.delete(assetId);
      if (upload.status === 'processing-failed') this.#failed.add(assetId);
      else this.#found(assetId);
      this.#context.wake();
    }
  }

  #share(assetId: string): void {
    if (!this.#pending.has(assetId) && !this.#failed.has(assetId)) return;
    this.#sharing.set(assetId, (this.#sharing.get(assetId) ?? 0) + 1);
    this.#sharingCount += 1;
  }

  #found(assetId: string): void {
    this.#failed.delete(assetId);
    this.#sharingCount -= this.#sharing.get(assetId) ?? 0;
    this.#sharing.delete(assetId);
  }

  #armAsk(): void {
    const { runtime } = this.#context;
    if (this.#askTimer !== undefined) runtime.clearTimer(this.#askTimer);
    const delayMs = this.#watch === 'polling' ? ASK_WHILE_POLLING_MS : ASK_AFTER_SILENCE_MS;
    this.#askTimer = runtime.setTimer(() => void this.#ask(), delayMs);
  }

  /** Asks for the state of what is pending, oldest first. */
  async #ask(): Promise<void> {
    const { adapter, signal, runtime } = this.#context;
    if (this.#isAsking || !this.#isWatching) return;
    if (!adapter.assetChanges || this.#pending.size === 0) {
      this.#armAsk();
      return;
    }
    this.#isAsking = true;
    try {
      const ids = [...this.#pending.keys()];
      for (let at = 0; at < ids.length; at += ASK_AT_ONCE) {
        const changes = await adapter.assetChanges(ids.slice(at, at + ASK_AT_ONCE), signal);
        for (const change of changes) this.#take(change);
      }
    } catch (error) {
      // The next silence asks again; only what is not a failed request is worth reporting.
      if (!(error instanceof UploadError) && !signal.aborted) runtime.reportError(error);
    } finally {
      this.#isAsking = false;
      if (this.#isWatching) this.#armAsk();
    }
  }
}
