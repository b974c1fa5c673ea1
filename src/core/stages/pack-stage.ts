import { toFileError } from '../../errors/file-error.ts';
import { UploadError } from '../../errors/upload-error.ts';
import { findFault } from '../../hashing/read-error.ts';
import type { PackItem, PackOutcome } from '../../transports/adapter.ts';
import type { BandwidthGate } from '../concurrency/bandwidth-gate.ts';
import { GoodputMeter } from '../goodput-meter.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { WaitReason } from '../types.ts';
import type { Upload } from '../upload-state.ts';
import { packOutcomes } from './adapter-answers.ts';
import { explainPutFailure } from './explain-put-failure.ts';
import { FileWatch } from './file-watch.ts';
import type { HeldCredentials } from './held-credentials.ts';
import { Linger } from './linger.ts';
import { packBytes } from './pack-plan.ts';
import { type PutExits, PutResults } from './put-results.ts';
import {
  asUploadError,
  haltsOn,
  type Stage,
  type StageContext,
  stillIn,
  takeable,
} from './stage.ts';

/** Packs under way at once: more gain nothing, and leave no connection to the API for anything else. */
const MAX_CONCURRENCY = 4;
/** How long the first file of a pack waits for company. */
const LINGER_MS = 100;
/** Packs that may fail as a whole with an upload in them, before it goes alone. */
const MAX_PACK_FAILURES = 2;

type Ready = Upload & { readonly status: 'ready' };

/** What a look at a file of the pack found. */
interface Fault {
  readonly error: UploadError;
  readonly index: number;
}

export interface PackStageOptions extends PutExits {
  readonly credentials: HeldCredentials;
  readonly bandwidth: BandwidthGate;
  /** Takes uploads that are to be sent by a PUT of their own. */
  readonly alone: (upload: Upload, delayMs?: number) => void;
  /** No more small files will come soon: do not wait for a fuller pack. */
  readonly isUpstreamIdle: () => boolean;
  readonly onWait: (wait: WaitReason) => void;
}

/** `ready` → `processing`: many small files in one request, where the backend takes them so. */
export class PackStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #options: PackStageOptions;
  readonly #queue: RowQueue;
  readonly #results: PutResults;
  readonly #linger: Linger;
  readonly #aborts = new Map<string, AbortController>();
  /** How many packs failed as a whole with an upload in them. */
  readonly #failures = new Map<string, number>();
  readonly #files = new GoodputMeter();
  readonly #bytes = new GoodputMeter();
  #queuedBytes = 0;
  /** Taken off the queue, and too much for the pack that was being filled. */
  #heldOver: string | undefined;
  #isOff = false;

  constructor(context: StageContext, options: PackStageOptions) {
    this.#context = context;
    this.#options = options;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
    this.#results = new PutResults(context, options, options.credentials, (upload, delayMs) =>
      this.#alone(upload, delayMs),
    );
    this.#linger = new Linger(context);
    this.lane = new Lane({
      name: 'pack',
      concurrency: { max: MAX_CONCURRENCY },
      breakerThreshold: 3,
      runtime: context.runtime,
      onWake: () => context.wake(),
      onWait: options.onWait,
    });
  }

  /** Whether packs are made at all. */
  get isOn(): boolean {
    const { adapter } = this.#context;
    const { maxFiles = 0 } = adapter.capabilities.pack ?? {};
    return !this.#isOff && adapter.putPack !== undefined && maxFiles > 0;
  }

  /** Uploads that hold a credential and wait for a pack. */
  get readyCount(): number {
    return this.#queue.size + (this.#heldOver === undefined ? 0 : 1);
  }

  filesPerSecond(): number {
    return this.#files.perSecond(this.#context.runtime.now());
  }

  /** Whether an upload may go in a pack: a small one, that did not fail before. */
  takes({ id, sizeBytes, attempts }: Upload): boolean {
    const limits = this.#context.adapter.capabilities.pack;
    if (!this.isOn || !limits || sizeBytes > limits.maxFileBytes || attempts.put > 0) return false;
    return (this.#failures.get(id) ?? 0) < MAX_PACK_FAILURES;
  }

  accept(upload: Upload, delayMs = 0): void {
    if (this.readyCount === 0) this.#linger.begin(LINGER_MS);
    this.#queuedBytes += upload.sizeBytes;
    this.#queue.push(upload, delayMs);
  }

  pump(): void {
    const limits = this.#context.adapter.capabilities.pack;
    if (!this.isOn || !limits) {
      this.#giveUpPacks();
      return;
    }
    while (this.lane.free() > 0 && this.readyCount > 0) {
      if (this.#options.bandwidth.isClosed()) break;
      const { runtime } = this.#context;
      const bytesPerSecond = this.#bytes.perSecond(runtime.now());
      const maxBytes = packBytes(limits, bytesPerSecond, this.lane.concurrency);
      const mayGrow = this.readyCount < limits.maxFiles && this.#queuedBytes < maxBytes;
      if (mayGrow && !this.#options.isUpstreamIdle() && this.#linger.isOn) break;
      const pack = this.#gather(maxBytes, limits.maxFiles);
      if (pack.length > 0) this.lane.run(() => this.#send(pack));
    }
    if (this.lane.free() > 0) this.lane.starved();
  }

  /** The upload is stored: how its packs went does not matter any more. */
  forget(id: string): void {
    this.#failures.delete(id);
  }

  /** Ends the pack in which an upload is that was paused or cancelled; the others go in another one. */
  cancel(id: string): void {
    this.#options.credentials.delete(id);
    this.#failures.delete(id);
    this.#aborts.get(id)?.abort();
    this.#aborts.delete(id);
  }

  dispose(): void {
    this.#queue.dispose();
    this.#linger.dispose();
    this.lane.dispose();
    for (const controller of this.#aborts.values()) controller.abort();
  }

  /** The server takes no packs (any more). */
  #giveUpPacks(): void {
    while (this.readyCount > 0) {
      const upload = takeable(this.#context, this.#take() ?? '', 'ready');
      if (upload) this.#alone(upload);
    }
  }

  #alone(upload: Upload, delayMs?: number): void {
    this.#context.files.forgetBytes(upload.id);
    this.#options.alone(upload, delayMs);
  }

  #take(): string | undefined {
    const id = this.#heldOver ?? this.#queue.take();
    this.#heldOver = undefined;
    return id;
  }

  #gather(maxBytes: number, maxFiles: number): Ready[] {
    const { ledger } = this.#context;
    const pack: Ready[] = [];
    let bytes = 0;
    while (pack.length < maxFiles) {
      const id = this.#take();
      if (id === undefined) break;
      const upload = takeable(this.#context, id, 'ready');
      if (upload && bytes + upload.sizeBytes > maxBytes && pack.length > 0) {
        this.#heldOver = id;
        break;
      }
      // An id may stand here that was cancelled, and one of a row that is gone tells no size.
      this.#queuedBytes -= ledger.get(id)?.sizeBytes ?? 0;
      if (!upload) continue;
      if (!this.#options.credentials.usable(id)) {
        this.#results.renew(id, false);
        continue;
      }
      bytes += upload.sizeBytes;
      ledger.apply(id, { type: 'put-started' });
      pack.push(upload);
    }
    if (this.readyCount === 0) this.#queuedBytes = 0;
    this.#options.bandwidth.started(bytes);
    return pack;
  }

  async #send(pack: readonly Ready[]): Promise<void> {
    const { adapter, runtime, telemetry } = this.#context;
    const startMs = runtime.now();
    const controller = new AbortController();
    const { signal } = controller;
    for (const { id } of pack) this.#aborts.set(id, controller);
    let items: readonly (PackItem & { readonly upload: Ready })[] = [];
    let watch: FileWatch | undefined;
    let spoilt: Fault | undefined;
    try {
      items = await this.#open(pack, signal);
      if (signal.aborted || items.length === 0) return;
      watch = new FileWatch({
        runtime,
        bodies: items.map(({ body, bytes }) => (bytes ? undefined : body)),
        signal,
        onFault: (error, index) => {
          spoilt = { error, index };
          controller.abort();
        },
      });
      const onProgress = this.#progressOf(items, signal, watch);
      const answer = await adapter.putPack?.({ items, signal, onProgress });
      const outcomes = packOutcomes(answer, items.length);
      watch.stop();
      const files = items.length;
      const bytes = items.reduce((sum, { body }) => sum + body.size, 0);
      const isLost = outcomes.includes('lost');
      if (!isLost && !signal.aborted) {
        this.lane.succeeded(runtime.now() - startMs);
        telemetry.span('put', startMs, { uploadId: null, outcome: 'ok', bytes, files });
        this.#files.add(files, runtime.now());
        this.#bytes.add(bytes, runtime.now());
      }
      const costsAttempt = isLost && !signal.aborted && this.lane.failed(lostAnswer());
      for (const [index, item] of items.entries()) {
        const outcome = outcomes[index];
        if (outcome === 'lost') this.#lost(item.upload.id, costsAttempt);
        else if (outcome) await this.#settle(item, outcome, controller);
      }
      this.#blame(items, spoilt);
    } catch (cause) {
      watch?.stop();
      const fault = spoilt;
      if (signal.aborted && !fault) return;
      const failure = fault?.error ?? asUploadError(this.#context, cause);
      const files = items.length;
      telemetry.span('put', startMs, {
        uploadId: null,
        outcome: 'failed',
        code: failure.code,
        files,
      });
      if (fault) {
        this.#blame(items, fault);
      } else {
        await this.#failedWhole(items, failure, startMs);
      }
    } finally {
      watch?.stop();
      // Whatever the pack did not settle: it was ended for another one's sake.
      for (const { id } of pack) if (this.#aborts.get(id) === controller) this.#putBack(id);
    }
  }

  /** The files that can be read; the others are settled. */
  async #open(pack: readonly Ready[], signal: AbortSignal) {
    const { credentials } = this.#options;
    const opened = await Promise.all(
      pack.map(async (upload) => {
        const { id } = upload;
        try {
          const body = await this.#context.files.openToSend(id);
          const credential = credentials.get(id);
          if (signal.aborted) return [];
          const bytes = this.#context.files.keptBytes(id);
          if (body && credential) return [{ upload, credential, body, bytes }];
          // Before it is detached, which would end the pack for all.
          this.#aborts.delete(id);
          if (stillIn(this.#context.ledger, id, 'uploading')) this.#context.detach(id);
        } catch (cause) {
          this.#failed(id, toFileError(cause) ?? asUploadError(this.#context, cause), true);
        }
        return [];
      }),
    );
    return opened.flat();
  }

  /** Bytes of a pack are bytes of its files, one after the other. */
  #progressOf(items: readonly PackItem[], signal: AbortSignal, watch: FileWatch) {
    const { ledger } = this.#context;
    let at = 0;
    let before = 0;
    let seen = 0;
    return (sentBytes: number) => {
      if (sentBytes > seen) watch.sent();
      this.lane.transferred(Math.max(0, sentBytes - seen));
      seen = Math.max(seen, sentBytes);
      while (!signal.aborted && at < items.length) {
        const { upload, body } = items[at] as PackItem;
        ledger.progressed(upload.id, Math.min(body.size, seen - before));
        if (seen - before < body.size) return;
        before += body.size;
        at += 1;
      }
    };
  }

  async #settle(
    { upload: { id }, body }: PackItem,
    outcome: Exclude<PackOutcome, 'lost'>,
    controller: AbortController,
  ): Promise<void> {
    const { signal } = controller;
    if (typeof outcome === 'object' && 'failed' in outcome) {
      const { runtime } = this.#context;
      const error = await explainPutFailure(outcome.failed, body, { runtime, signal });
      // Ended for another one's sake, it did not fail: it goes in another pack.
      if (signal.aborted) return;
      if (error.action === 'throttle') this.lane.failed(error);
      this.#failures.delete(id);
      this.#failed(id, error, error.action !== 'throttle');
      return;
    }
    if (outcome === 'stored') this.#results.stored(id);
    else this.#results.finalized(id, outcome.finalized);
    this.#failures.delete(id);
    // Paused and resumed meanwhile, it is in another pack by now.
    if (this.#aborts.get(id) === controller) this.#aborts.delete(id);
  }

  /** The pack was ended for one file, which is not what it was: that one fails. */
  #blame(items: readonly PackItem[], fault: Fault | undefined): void {
    const spoilt = fault && items[fault.index];
    if (spoilt) this.#failed(spoilt.upload.id, fault.error, true);
  }

  /** What came of it finalize finds out; where packs never get an answer, the file goes alone in the end. */
  #lost(id: string, costsAttempt: boolean): void {
    const { attemptLog, runtime } = this.#context;
    this.#aborts.delete(id);
    this.#countFailure(id);
    const failure = lostAnswer().toFailure();
    attemptLog.add(id, { stage: 'put', atMs: runtime.epochNow(), failure });
    this.#results.lost(id, costsAttempt);
  }

  #countFailure(id: string): void {
    this.#failures.set(id, (this.#failures.get(id) ?? 0) + 1);
  }

  #failed(id: string, error: UploadError, costsAttempt: boolean): void {
    this.#aborts.delete(id);
    this.#results.failed(id, { error, costsAttempt, ending: 'refused' });
  }

  /** No file is to blame before it was looked at: they go again, and alone when that fails too. */
  async #failedWhole(
    items: readonly PackItem[],
    error: UploadError,
    startMs: number,
  ): Promise<void> {
    const { runtime, signal, telemetry } = this.#context;
    if (error.action === 'throttle') telemetry.throttled();
    const isHalted = haltsOn(this.#context, error, startMs);
    if (!isHalted) this.lane.failed(error);
    if (isUnsupported(error)) this.#isOff = true;
    // A rate limit is of the person; a server that has no room may have some for a smaller body.
    const counts = !isHalted && error.kind !== 'rate_limit';
    for (const { upload, body, bytes } of items) {
      const { id } = upload;
      const isSuspect = error.kind === 'network' && !bytes;
      const look = isSuspect ? findFault(body, { runtime, signal }) : undefined;
      const fault = await look?.catch(() => undefined);
      if (signal.aborted) return;
      if (fault) this.#failed(id, fault, true);
      else if (counts) this.#countFailure(id);
    }
  }

  #putBack(id: string): void {
    const { ledger } = this.#context;
    this.#aborts.delete(id);
    if (this.#context.signal.aborted || !stillIn(ledger, id, 'uploading')) return;
    const upload = ledger.apply(id, { type: 'put-deferred', costsAttempt: false });
    if (this.takes(upload)) this.accept(upload);
    else this.#alone(upload);
  }
}

const lostAnswer = () => new UploadError('network_failed', 'The server’s answer was lost.');

/** The server takes no packs after all, or something on the way does not let them through. */
function isUnsupported({ status, code }: UploadError): boolean {
  return code === 'body_too_large' || (status !== undefined && UNSUPPORTED.has(status));
}
const UNSUPPORTED: ReadonlySet<number> = new Set([404, 405, 411, 413, 415, 501]);
