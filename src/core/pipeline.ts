import type { Hasher } from '../hashing/hasher.ts';
import { ProcessingTracker } from './processing-tracker.ts';
import { CredentialStage } from './stages/credential-stage.ts';
import { FinalizeStage } from './stages/finalize-stage.ts';
import { HashStage } from './stages/hash-stage.ts';
import { PutStage } from './stages/put-stage.ts';
import type { Stage, StageContext } from './stages/stage.ts';
import type { WaitReason } from './types.ts';
import type { Upload } from './upload-state.ts';

/** Hashed uploads that may wait for a credential: enough for two full batches. */
const MAX_HASHED_AHEAD = 400;

export interface PipelineOptions {
  readonly hasher: Hasher;
  /** PUTs at once, at most. */
  readonly maxConcurrency: number;
  readonly onWait: (wait: WaitReason) => void;
  readonly onChange: () => void;
}

/**
 * hash → credentials → PUT → finalize → processing, each a bounded stage. Uploads of the same bytes
 * go through once: the first leads, the others wait for its asset.
 */
export class Pipeline {
  readonly tracker: ProcessingTracker;
  readonly #context: StageContext;
  readonly #hash: HashStage;
  readonly #credentials: CredentialStage;
  readonly #put: PutStage;
  readonly #finalize: FinalizeStage;
  readonly #stages: readonly Stage[];
  /** The first upload of each checksum, and those that wait for it. */
  readonly #leaders = new Map<string, string>();
  readonly #followers = new Map<string, string[]>();

  constructor(context: StageContext, options: PipelineOptions) {
    this.#context = context;
    const { onWait } = options;
    this.tracker = new ProcessingTracker(context, options.onChange);
    this.#finalize = new FinalizeStage(context, {
      isUpstreamIdle: () => this.#put.lane.active === 0 && this.#put.readyCount === 0,
      next: (upload) => this.#stored(upload),
      // The store works, though its answers do not come through: that is no outage.
      foundStored: () => this.#put.lane.succeeded(),
      needsBytes: (upload) => this.#credentials.accept(upload),
      onWait,
    });
    this.#put = new PutStage(context, {
      maxConcurrency: options.maxConcurrency,
      next: (upload) => this.#finalize.accept(upload),
      needsCredential: (upload) => this.#credentials.accept(upload),
      isApiReachable: () =>
        this.#credentials.lane.hasEverSucceeded && this.#credentials.lane.wait() === null,
      onWait,
    });
    this.#credentials = new CredentialStage(context, {
      putsPerSecond: () => this.#put.putsPerSecond(),
      readyCount: () => this.#put.readyCount,
      putConcurrency: () => this.#put.lane.concurrency,
      isUpstreamIdle: () => this.#hash.isIdle,
      granted: (upload, { credential }) => {
        this.#put.hold(upload.id, credential);
        this.#put.accept(upload);
      },
      duplicateFound: (upload) => this.#stored(upload),
      onWait,
    });
    this.#hash = new HashStage(
      context,
      options.hasher,
      () => this.#credentials.waiting < MAX_HASHED_AHEAD,
      (upload) => this.#hashed(upload),
    );
    // Last stage first: what frees a slot downstream comes before what fills it.
    this.#stages = [this.#finalize, this.#put, this.#credentials, this.#hash];
  }

  /** PUTs at once, as things stand. */
  get concurrency(): number {
    return this.#put.lane.concurrency;
  }

  accept(upload: Upload): void {
    this.#hash.accept(upload);
  }

  /** Puts an upload back in line where it stands: after a pause, or ahead of others after a boost. */
  requeue(upload: Upload): void {
    if (upload.status === 'queued') this.#hash.accept(upload);
    else if (upload.status === 'hashed') this.#hashed(upload);
    else if (upload.status === 'ready') this.#put.accept(upload);
    else if (upload.status === 'uploaded' || upload.status === 'put-unknown') {
      this.#finalize.accept(upload);
    }
  }

  /** Ends the PUT of an upload that is paused; it begins anew when it is resumed. */
  interrupt(upload: Upload): void {
    if (upload.status !== 'uploading') return;
    this.#put.cancel(upload.id);
    this.#context.ledger.apply(upload.id, { type: 'put-deferred', costsAttempt: false });
  }

  setBandwidthCap(bytesPerSecond: number | null): void {
    this.#put.setBandwidthCap(bytesPerSecond);
  }

  /** Forgets what lanes wait for: somebody says that it is mended. */
  resetLanes(): void {
    for (const { lane } of this.#stages) lane.reset();
  }

  pump(): void {
    this.tracker.start();
    for (const stage of this.#stages) stage.pump();
  }

  /** Why work waits, the longest wait first; null when nothing does. */
  wait(): WaitReason | null {
    const waits = this.#stages.map(({ lane }) => lane.wait()).filter((wait) => wait !== null);
    return waits.sort((a, b) => b.untilMs - a.untilMs)[0] ?? null;
  }

  /** Requests or reads are under way. */
  get isActive(): boolean {
    return this.#stages.some(({ lane }) => lane.active > 0);
  }

  /** Ends the work on an upload that has just failed or been cancelled, and lets a follower lead. */
  ended(upload: Upload): void {
    this.#put.cancel(upload.id);
    this.#promoteFollower(upload.id);
  }

  dispose(): void {
    for (const stage of this.#stages) stage.dispose();
    this.tracker.stop();
  }

  #hashed(upload: Upload): void {
    if (upload.status !== 'hashed') return;
    const leaderId = this.#leaders.get(upload.checksum);
    const leader = leaderId === undefined ? undefined : this.#context.ledger.get(leaderId);
    if (leader === undefined || leader.id === upload.id || isOut(leader)) {
      this.#leaders.set(upload.checksum, upload.id);
      this.#credentials.accept(upload);
    } else if (isIn(leader)) {
      this.#becomeDuplicate(upload.id, leader.assetId);
    } else {
      const waiting = this.#followers.get(leader.id);
      if (waiting) waiting.push(upload.id);
      else this.#followers.set(leader.id, [upload.id]);
    }
  }

  #stored(upload: Upload): void {
    this.#context.files.delete(upload.id);
    this.#context.attemptLog.forget(upload.id);
    this.tracker.accept(upload);
    if (!isIn(upload)) return;
    const followers = this.#followers.get(upload.id) ?? [];
    this.#followers.delete(upload.id);
    for (const id of followers) this.#becomeDuplicate(id, upload.assetId);
  }

  #becomeDuplicate(id: string, assetId: string): void {
    const { ledger, files } = this.#context;
    if (ledger.get(id)?.status !== 'hashed') return;
    ledger.apply(id, { type: 'duplicate-found', assetId });
    files.delete(id);
  }

  #promoteFollower(leaderId: string): void {
    const [next, ...others] = (this.#followers.get(leaderId) ?? []).filter(
      (id) => this.#context.ledger.get(id)?.status === 'hashed',
    );
    this.#followers.delete(leaderId);
    const upload = next === undefined ? undefined : this.#context.ledger.get(next);
    if (upload?.status !== 'hashed') return;
    this.#leaders.set(upload.checksum, upload.id);
    if (others.length > 0) this.#followers.set(upload.id, others);
    this.#credentials.accept(upload);
  }
}

type Stored = Upload & { readonly assetId: string };

/** The server has it. */
const isIn = (upload: Upload): upload is Stored =>
  upload.status === 'processing' ||
  upload.status === 'embedding' ||
  upload.status === 'searchable' ||
  upload.status === 'processing-failed' ||
  upload.status === 'duplicate';

/** It will not arrive. */
const isOut = ({ status }: Upload): boolean =>
  status === 'dead' || status === 'rejected' || status === 'cancelled';
