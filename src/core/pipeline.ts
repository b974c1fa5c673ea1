import type { Hasher } from '../hashing/hasher.ts';
import { BandwidthGate } from './concurrency/bandwidth-gate.ts';
import { EqualFiles } from './equal-files.ts';
import { ProcessingTracker } from './processing-tracker.ts';
import { BegunPuts } from './stages/begun-puts.ts';
import { CredentialStage } from './stages/credential-stage.ts';
import { FinalizeStage } from './stages/finalize-stage.ts';
import { HashStage } from './stages/hash-stage.ts';
import { HeldCredentials } from './stages/held-credentials.ts';
import { PackStage } from './stages/pack-stage.ts';
import type { PutExits } from './stages/put-results.ts';
import { PutStage } from './stages/put-stage.ts';
import type { Stage, StageContext } from './stages/stage.ts';
import type { WaitReason } from './types.ts';
import { isStored, type Upload } from './upload-state.ts';

/** Hashed uploads that may wait for a credential: enough for two full batches, of single files and of packs. */
const MAX_HASHED_AHEAD = 400;
const MAX_HASHED_AHEAD_OF_PACKS = 1_000;

/**
 * hash → credentials → PUT → finalize → processing, each a bounded stage. Small files may go in packs, which
 * take the place of PUT and finalize.
 */
export class Pipeline {
  readonly tracker: ProcessingTracker;
  readonly #context: StageContext;
  readonly #hash: HashStage;
  readonly #credentials: CredentialStage;
  readonly #put: PutStage;
  readonly #pack: PackStage;
  readonly #held: HeldCredentials;
  readonly #begun: BegunPuts;
  readonly #bandwidth: BandwidthGate;
  readonly #finalize: FinalizeStage;
  readonly #stages: readonly Stage[];
  readonly #equal: EqualFiles;

  /** @param maxConcurrency PUTs at once, at most */
  constructor(context: StageContext, hasher: Hasher, maxConcurrency: number) {
    this.#context = context;
    const onWait = (wait: WaitReason) => {
      if (wait.kind === 'rate_limit') context.telemetry.throttled();
      context.emitter.emit({ type: 'lane-waited', wait });
      context.onChange();
    };
    this.tracker = new ProcessingTracker(context);
    this.#equal = new EqualFiles({
      ledger: context.ledger,
      isPaused: (id) => context.brake.isPaused(id),
      lead: (upload) => this.#credentials.accept(upload),
      becomeDuplicate: (id, assetId) => this.#becomeDuplicate(id, assetId),
    });
    this.#finalize = new FinalizeStage(context, {
      isUpstreamIdle: () => this.#put.lane.active === 0 && this.#put.readyCount === 0,
      next: (upload) => this.#stored(upload),
      // The store works, though its answers do not come through: that is no outage.
      foundStored: () => this.#put.lane.succeeded(),
      needsBytes: (upload) => this.#credentials.accept(upload),
      onWait,
    });
    this.#held = new HeldCredentials(context.runtime);
    this.#begun = new BegunPuts(context);
    this.#bandwidth = new BandwidthGate(context);
    const exits: PutExits = {
      next: (upload) => {
        if (upload.status === 'uploaded') this.#begun.forget(upload.id);
        this.#finalize.accept(upload);
      },
      finalized: (upload) => this.#stored(upload),
      needsCredential: (upload) => this.#credentials.accept(upload),
      needsHash: (upload) => {
        this.#equal.released(upload.id);
        this.#hash.accept(upload);
      },
      isApiReachable: () =>
        this.#credentials.lane.hasEverSucceeded && this.#credentials.lane.wait() === null,
    };
    const sending = { ...exits, credentials: this.#held, bandwidth: this.#bandwidth, onWait };
    this.#put = new PutStage(context, {
      ...sending,
      begun: this.#begun,
      maxConcurrency: Math.min(maxConcurrency, context.adapter.capabilities.maxConcurrency),
      hasher,
    });
    this.#pack = new PackStage(context, {
      ...sending,
      alone: (upload, delayMs) => this.#put.accept(upload, delayMs),
      isUpstreamIdle: () =>
        this.#hash.isIdle && this.#credentials.waiting === 0 && this.#credentials.lane.active === 0,
    });
    this.#credentials = new CredentialStage(context, {
      putsPerSecond: () => this.#put.filesPerSecond() + this.#pack.filesPerSecond(),
      // What a lane holds that waits keeps nothing from the others.
      readyCount: () =>
        this.#put.readyCount + (this.#pack.lane.wait() === null ? this.#pack.readyCount : 0),
      putConcurrency: () => this.#put.lane.concurrency,
      arePacked: () => this.#pack.filesPerSecond() > 0,
      isUpstreamIdle: () => this.#hash.isIdle,
      granted: (upload, { credential }) => {
        this.#held.hold(upload.id, credential);
        this.#ready(upload);
      },
      duplicateFound: (upload) => {
        if ('assetId' in upload) this.#begun.replaced(upload.id, upload.assetId);
        this.#stored(upload);
      },
      onWait,
    });
    this.#hash = new HashStage(
      context,
      hasher,
      () =>
        this.#credentials.waiting <
        (this.#pack.isOn ? MAX_HASHED_AHEAD_OF_PACKS : MAX_HASHED_AHEAD),
      (upload) => this.#equal.hashed(upload),
    );
    // Last stage first: what frees a slot downstream comes before what fills it.
    this.#stages = [this.#finalize, this.#pack, this.#put, this.#credentials, this.#hash];
  }

  /** PUTs at once, as things stand. */
  get concurrency(): number {
    return this.#put.lane.concurrency;
  }

  /** Takes an upload whose bytes the store lost: it leads those of its kind, whoever led them before. */
  mend(upload: Upload): void {
    this.#equal.lead(upload);
  }

  /** Puts an upload in line where it stands: a new one, one of an earlier page, one that was paused. */
  accept(upload: Upload): void {
    if (upload.status === 'queued') this.#hash.accept(upload);
    else if (upload.status === 'hashed') this.#equal.hashed(upload);
    else if (upload.status === 'ready') this.#ready(upload);
    else if (upload.status === 'uploaded' || upload.status === 'put-unknown') {
      this.#finalize.accept(upload);
    } else if (isStored(upload.status)) {
      this.tracker.accept(upload);
      this.#equal.stored(upload);
    }
  }

  /** Bytes that an earlier page sent are not sent again for an equal file. */
  restored(upload: Upload): void {
    this.#equal.restored(upload);
  }

  /** Ends the PUT of an upload that is paused, to begin anew; what waited for it goes first. */
  interrupt(upload: Upload): void {
    this.#equal.released(upload.id);
    if (upload.status !== 'uploading') return;
    this.#put.cancel(upload.id);
    this.#pack.cancel(upload.id);
    this.#context.ledger.apply(upload.id, { type: 'put-deferred', costsAttempt: false });
  }

  setBandwidthCap(bytesPerSecond: number | null): void {
    this.#bandwidth.set(bytesPerSecond);
  }

  /** Forgets what lanes wait for: somebody says that it is mended. */
  resetLanes(): void {
    for (const { lane } of this.#stages) lane.reset();
  }

  pump(): void {
    this.tracker.start();
    for (const stage of this.#stages) stage.pump();
  }

  /**
   * Why nothing is sent, the longest wait first; null while bytes flow: that the next credentials have
   * to wait is nothing to see as long as there are files to send.
   */
  wait(): WaitReason | null {
    const isSending = [this.#put, this.#pack].some(
      ({ lane, readyCount }) => lane.wait() === null && (lane.active > 0 || readyCount > 0),
    );
    if (isSending) return null;
    const waits = this.#stages.map((stage) => stage.lane.wait()).filter((wait) => wait !== null);
    return waits.sort((a, b) => b.untilMs - a.untilMs)[0] ?? null;
  }

  /** Ends the work on an upload that has just failed or been cancelled, and lets a follower lead. */
  ended(upload: Upload): void {
    const { id, status } = upload;
    this.#put.cancel(id);
    this.#pack.cancel(id);
    // One that waits for its file, or is dead, may still go on where its PUT stopped.
    if (status === 'cancelled' || status === 'rejected') this.#begun.discard(id);
    this.#context.files.forgetBytes(id);
    this.#equal.released(id);
  }

  /** An upload that had ended is forgotten: nobody can retry it any more. */
  removed(id: string): void {
    this.#begun.discard(id);
  }

  /** Another page goes on with it: what the store has of it is not to be thrown away. */
  handOver(id: string): void {
    this.#begun.forget(id);
  }

  dispose(): void {
    for (const stage of this.#stages) stage.dispose();
    this.#bandwidth.dispose();
    this.tracker.stop();
  }

  #ready(upload: Upload): void {
    if (this.#pack.takes(upload)) {
      this.#pack.accept(upload);
      return;
    }
    this.#context.files.forgetBytes(upload.id);
    this.#put.accept(upload);
  }

  #stored(upload: Upload): void {
    this.#begun.forget(upload.id);
    this.#context.files.delete(upload.id);
    this.#context.attemptLog.forget(upload.id);
    this.#pack.forget(upload.id);
    this.tracker.accept(upload);
    this.#equal.stored(upload);
  }

  #becomeDuplicate(id: string, assetId: string): void {
    const { ledger, files } = this.#context;
    this.#begun.replaced(id, assetId);
    this.tracker.accept(ledger.apply(id, { type: 'duplicate-found', assetId }));
    files.delete(id);
  }
}
