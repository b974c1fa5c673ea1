import { createHash, type Hash } from 'node:crypto';
import type { WorkerDrop, WorkerReply, WorkerRequest } from '../../src/hashing/worker-protocol.ts';

export interface FakeWorkerOptions {
  /** Whether it says that it runs. Default true. */
  readonly runs?: boolean;
  /** Called with each request; false: no answer. Default: answers. */
  readonly answers?: (request: WorkerRequest) => boolean;
}

/** Workers without threads, for virtual time: they hash as the real one, or fail as told. */
export class FakeWorkers {
  readonly started: FakeWorker[] = [];
  readonly #options: (index: number) => FakeWorkerOptions;

  /** @param options of the first worker, the second … */
  constructor(options: (index: number) => FakeWorkerOptions = () => ({})) {
    this.#options = options;
  }

  /** Not ended yet. */
  get alive(): number {
    return this.started.filter(({ isTerminated }) => !isTerminated).length;
  }

  readonly start = (): Worker => {
    const worker = new FakeWorker(this.#options(this.started.length));
    this.started.push(worker);
    return worker as unknown as Worker;
  };
}

export class FakeWorker extends EventTarget {
  readonly requests: WorkerRequest[] = [];
  readonly drops: number[] = [];
  isTerminated = false;
  readonly #answers: (request: WorkerRequest) => boolean;
  readonly #jobs = new Map<number, Hash>();

  constructor({ runs = true, answers = () => true }: FakeWorkerOptions) {
    super();
    this.#answers = answers;
    if (runs) this.say({ id: 0 });
  }

  postMessage(message: WorkerRequest | WorkerDrop): void {
    if ('drop' in message) {
      this.drops.push(message.drop);
      return;
    }
    this.requests.push(message);
    if (!this.#answers(message)) return;
    const { id, job, bytes, isLast } = message;
    const hash = this.#jobs.get(job) ?? createHash('sha256');
    this.#jobs.set(job, hash.update(new Uint8Array(bytes)));
    this.say({ id, engine: 'wasm', ...(isLast ? { digest: hash.digest('hex') } : {}) });
  }

  terminate(): void {
    this.isTerminated = true;
  }

  /** As the worker would, a moment later. */
  say(data: WorkerReply): void {
    queueMicrotask(() => this.dispatchEvent(new MessageEvent('message', { data })));
  }

  crash(): void {
    this.dispatchEvent(new Event('error', { cancelable: true }));
  }
}
