import type { UploadError } from '../errors/upload-error.ts';
import type { Credential } from '../protocol/index.ts';
import type { UploadAdapter } from './adapter.ts';

export type FallbackReason = 'blocked' | 'unsupported';

/** PUTs that must have failed, one after another, before the store is asked whether it is there. */
const FAILURES_TO_ASK = 3;
const UNSUPPORTED = [404, 405, 501];

/** One PUT of the direct way. */
export interface DirectPut {
  readonly credential: Credential;
  /** What had failed when it began. */
  readonly failuresBefore: number;
  sentBytes: number;
}

/** Whether a page's direct way works, is blocked, or is not there. One PUT that came through settles it. */
export class DirectHealth {
  readonly #direct: Pick<UploadAdapter, 'isStoreReachable'>;
  /** PUTs without an answer, by their uploads' ids, until finalize has found out. */
  readonly #lost = new Map<string, DirectPut>();
  #hasStored = false;
  #failures = 0;

  constructor(direct: Pick<UploadAdapter, 'isStoreReachable'>) {
    this.#direct = direct;
  }

  begin(credential: Credential): DirectPut {
    return { credential, failuresBefore: this.#failures, sentBytes: 0 };
  }

  stored(): void {
    this.#hasStored = true;
  }

  lost(id: string, put: DirectPut): void {
    this.#lost.set(id, put);
  }

  /** If its answer was lost, the store had it. */
  finalized(id: string): void {
    if (this.#lost.delete(id)) this.#hasStored = true;
  }

  /** What the error says by itself. */
  reasonIn(error: UploadError): FallbackReason | undefined {
    if (this.#hasStored) return undefined;
    if (error.code === 'store_blocked') return 'blocked';
    return UNSUPPORTED.includes(error.status ?? 0) ? 'unsupported' : undefined;
  }

  async failed(error: UploadError, put: DirectPut): Promise<FallbackReason | undefined> {
    const reason = this.reasonIn(error);
    // What was blocked never sent a byte: half a file is a network that went away.
    if (reason || error.code !== 'network_failed' || put.sentBytes > 0) return reason;
    return (await this.#isBlocked(put)) ? 'blocked' : undefined;
  }

  /**
   * Told of uploads that are to be sent: of those whose answer was lost the store had nothing, then.
   *
   * @returns whether that shows that no PUT comes through
   */
  async isRefutedBy(uploads: readonly { readonly id: string }[]): Promise<boolean> {
    for (const { id } of uploads) {
      const put = this.#lost.get(id);
      this.#lost.delete(id);
      if (put && (await this.#isBlocked(put))) return true;
    }
    return false;
  }

  /** No PUT ever came through, and yet the store is there: CORS rules, an extension, a proxy. */
  async #isBlocked({ credential, failuresBefore }: DirectPut): Promise<boolean> {
    // What fails at the same time has one cause, and counts once.
    if (failuresBefore === this.#failures) this.#failures += 1;
    if (this.#hasStored || this.#failures < FAILURES_TO_ASK) return false;
    const isReachable = await this.#direct.isStoreReachable?.(credential);
    return isReachable === true && !this.#hasStored;
  }
}
