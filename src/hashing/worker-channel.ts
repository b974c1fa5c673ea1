import { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { SLICE_BYTES } from './read-slices.ts';
import { StallTimer } from './stall-timer.ts';
import type { WorkerDrop, WorkerReply, WorkerRequest } from './worker-protocol.ts';

/** The worker is gone, and what it was hashing with it: begin the file anew elsewhere. */
export class WorkerLostError extends Error {
  override readonly name = 'WorkerLostError';
}

/** The worker itself says that it could not. */
export class WorkerRefusalError extends Error {
  override readonly name = 'WorkerRefusalError';
}

export interface WorkerChannelOptions {
  readonly runtime: Runtime;
  /** The worker said that it runs. */
  readonly onReady: () => void;
  /** Called once, after every request was failed; never after `end`. */
  readonly onLost: () => void;
  /** The last job ended. */
  readonly onIdle: () => void;
}

interface Pending {
  readonly job: number;
  readonly bytes: number;
  readonly resolve: (reply: WorkerReply) => void;
  readonly reject: (cause: unknown) => void;
}

/** A worker that owes an answer and says nothing for so long is gone: browsers may end it silently. */
const SILENT_MS = 30_000;

/** One worker, its files and what it owes. Every request ends once, whatever happens to the worker. */
export class WorkerChannel {
  readonly #worker: Worker;
  readonly #options: WorkerChannelOptions;
  readonly #silence: StallTimer;
  readonly #pending = new Map<number, Pending>();
  readonly #jobs = new Set<number>();
  #nextId = 1;
  #isReady = false;
  /** Why nothing more can be sent. */
  #end: Error | undefined;

  constructor(worker: Worker, options: WorkerChannelOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#silence = new StallTimer(options.runtime, SILENT_MS, () => this.#lose());
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerReply>) => this.#take(data));
    worker.addEventListener('messageerror', () => this.#lose());
    worker.addEventListener('error', (event) => {
      // It is dealt with here; the page's own handler has nothing to learn from it.
      event.preventDefault();
      this.#lose();
    });
    this.#silence.restart();
  }

  get isReady(): boolean {
    return this.#isReady && this.#end === undefined;
  }

  /** Files that it works on. */
  get jobs(): number {
    return this.#jobs.size;
  }

  /** What it has to hash, in bytes: what it was sent, and a slice more of each file. */
  get loadBytes(): number {
    let bytes = this.#jobs.size * SLICE_BYTES;
    for (const pending of this.#pending.values()) bytes += pending.bytes;
    return bytes;
  }

  /** Begins a file, which ends with its digest, a refusal or `drop`. */
  begin(): number {
    const job = this.#nextId++;
    this.#jobs.add(job);
    return job;
  }

  /**
   * Sends bytes, which are gone from this side.
   *
   * @throws WorkerLostError, WorkerRefusalError, or UploadError `cancelled` after `end`
   */
  send(request: Omit<WorkerRequest, 'id'>): Promise<WorkerReply> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#nextId++;
    const message: WorkerRequest = { ...request, id };
    if (this.#pending.size === 0) this.#silence.restart();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        job: request.job,
        bytes: request.bytes.byteLength,
        resolve,
        reject,
      });
      this.#worker.postMessage(message, [request.bytes]);
    });
  }

  /** No more of this file will come. Does nothing when the file has ended. */
  drop(job: number): void {
    if (this.#end || !this.#jobs.has(job)) return;
    const message: WorkerDrop = { drop: job };
    this.#worker.postMessage(message);
    this.#finish(job);
  }

  /** Ends the worker; what it owes fails as `cancelled`. */
  end(): void {
    this.#terminate(new UploadError('cancelled', 'Hashing was ended.'));
  }

  #take(reply: WorkerReply): void {
    if (this.#end) return;
    if (reply.id === 0) {
      this.#isReady = true;
      if (this.#pending.size === 0) this.#silence.stop();
      this.#options.onReady();
      return;
    }
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#silence.stop();
    else this.#silence.restart();
    if (reply.error === undefined) pending.resolve(reply);
    else pending.reject(new WorkerRefusalError(reply.error));
    if (reply.digest !== undefined || reply.error !== undefined) this.#finish(pending.job);
  }

  #finish(job: number): void {
    if (this.#jobs.delete(job) && this.#jobs.size === 0) this.#options.onIdle();
  }

  #lose(): void {
    if (this.#end) return;
    this.#terminate(new WorkerLostError('The worker crashed or fell silent'));
    this.#options.onLost();
  }

  #terminate(cause: Error): void {
    if (this.#end) return;
    this.#end = cause;
    this.#silence.stop();
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(cause);
    this.#pending.clear();
    this.#jobs.clear();
  }
}
