import { toFileError } from '../../errors/file-error.ts';
import { toUploadError, UploadError } from '../../errors/upload-error.ts';
import type { Hasher } from '../../hashing/hasher.ts';
import { Lane } from '../lane.ts';
import { RowQueue } from '../row-queue.ts';
import type { Upload } from '../upload-state.ts';
import { judgeFailure, type Stage, type StageContext, stillIn, takeable } from './stage.ts';

/** Four reads ahead were enough to keep six PUTs busy (measured). */
const CONCURRENT_READS = 4;
/**
 * Small files may be read together, which costs little more than one: so many, of so many bytes in all. Twice as
 * many as go in one read, so that the next is full when one has ended.
 */
const CONCURRENT_SMALL_READS = 128;
const SMALL_READS_BYTES = 4 * 1024 * 1024;
/** Most bytes read at once; one larger file still goes, alone. */
const READ_BUDGET_BYTES = 64 * 1024 * 1024;

/** `queued` → `hashed`: reads each file once, and keeps its checksum; of small ones the bytes, where they go in packs. */
export class HashStage implements Stage {
  readonly lane: Lane;
  readonly #context: StageContext;
  readonly #hasher: Hasher;
  readonly #queue: RowQueue;
  readonly #hasRoomAhead: () => boolean;
  readonly #next: (upload: Upload) => void;
  #readingBytes = 0;

  /**
   * @param hasRoomAhead whether more hashed uploads are wanted
   * @param next takes what is hashed
   */
  constructor(
    context: StageContext,
    hasher: Hasher,
    hasRoomAhead: () => boolean,
    next: (upload: Upload) => void,
  ) {
    this.#context = context;
    this.#hasher = hasher;
    this.#hasRoomAhead = hasRoomAhead;
    this.#next = next;
    this.#queue = new RowQueue(context.runtime, () => context.wake(), context.order);
    this.lane = new Lane({
      name: 'hash',
      concurrency: CONCURRENT_SMALL_READS,
      breakerThreshold: Number.POSITIVE_INFINITY,
      runtime: context.runtime,
      onWake: () => context.wake(),
    });
  }

  /** Nothing is being read and nothing waits to be. */
  get isIdle(): boolean {
    return this.lane.active === 0 && this.#queue.size === 0;
  }

  accept(upload: Upload, delayMs = 0): void {
    this.#queue.push(upload, delayMs);
  }

  pump(): void {
    while (this.lane.free() > 0 && this.#hasRoomAhead() && this.#mayRead()) {
      const id = this.#queue.take();
      if (id === undefined) return;
      const upload = takeable(this.#context, id, 'queued');
      if (!upload) continue;
      if (!this.#context.files.has(id)) {
        this.#context.detach(id);
        continue;
      }
      this.#readingBytes += upload.sizeBytes;
      this.#context.ledger.apply(id, { type: 'hash-started' });
      this.lane.run(() => this.#hash(upload));
    }
  }

  dispose(): void {
    this.#queue.dispose();
    this.lane.dispose();
  }

  #mayRead(): boolean {
    const most = this.lane.active < CONCURRENT_READS ? READ_BUDGET_BYTES : SMALL_READS_BYTES;
    return this.#readingBytes < most;
  }

  async #hash(upload: Upload): Promise<void> {
    const { id, sizeBytes } = upload;
    const { ledger, signal, runtime, telemetry } = this.#context;
    const startMs = runtime.now();
    try {
      const checksum = await this.#checksumOf(upload);
      // Only a cancelled upload has no file any more.
      if (checksum === undefined) return;
      telemetry.span('hash', startMs, { uploadId: id, outcome: 'ok', bytes: sizeBytes });
      if (!stillIn(ledger, id, 'hashing')) return;
      this.#next(ledger.apply(id, { type: 'hash-succeeded', checksum }));
    } catch (cause) {
      const hashing = stillIn(ledger, id, 'hashing');
      if (!hashing || signal.aborted) return;
      const error = toFileError(cause) ?? toUploadError(cause);
      if (this.#context.hasLostPermission(id, error)) {
        this.#context.detach(id);
        return;
      }
      telemetry.span('hash', startMs, { uploadId: id, outcome: 'failed', code: error.code });
      const { isGivenUp, delayMs } = judgeFailure(this.#context, 'hash', hashing, error, true);
      if (isGivenUp) {
        ledger.apply(id, { type: 'gave-up', failure: error.toFailure() });
      } else {
        this.accept(ledger.apply(id, { type: 'hash-deferred', costsAttempt: true }), delayMs);
      }
    } finally {
      this.#readingBytes -= sizeBytes;
    }
  }

  async #checksumOf(upload: Upload): Promise<string | undefined> {
    const { checksums, files } = this.#context;
    const known = await checksums.recall(upload);
    if (known !== undefined) return known;
    const file = await files.open(upload.id);
    if (!file) return undefined;
    if (file.size !== upload.sizeBytes) {
      const message = `The file changed: it has ${file.size} bytes where there were ${upload.sizeBytes}.`;
      throw new UploadError('file_changed', message);
    }
    const checksum = await this.#checksumBy(upload, file);
    checksums.remember(upload, checksum);
    return checksum;
  }

  /** What may go in a pack is sent from memory: it is read once. */
  async #checksumBy({ id, sizeBytes }: Upload, file: Blob): Promise<string> {
    const { adapter, files, signal } = this.#context;
    const isKept = adapter.putPack !== undefined && files.mayKeep(sizeBytes);
    const hashed = isKept ? await this.#hasher.hashAndKeep?.(file, signal) : undefined;
    if (!hashed) return this.#hasher.hash(file, signal);
    const { checksum, bytes } = hashed;
    if (files.has(id)) files.keepBytes(id, bytes);
    return checksum;
  }
}
