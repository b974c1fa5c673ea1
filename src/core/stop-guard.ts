import type { UploadError } from '../errors/upload-error.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Brake } from './brake.ts';
import type { Emitter } from './emitter.ts';
import type { StopReason } from './types.ts';

export interface StopGuardParts {
  readonly runtime: Runtime;
  readonly brake: Brake;
  readonly emitter: Emitter;
  readonly onChange: () => void;
  readonly wake: () => void;
}

/** Stops everything when only a person (or the application) can help, and signs in anew where it may. */
export class StopGuard {
  readonly #parts: StopGuardParts;
  readonly #onUnauthenticated: (() => Promise<void>) | undefined;
  #mayAskToSignIn = true;
  /** When somebody last acted on a stop. */
  #mendedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: StopGuardParts, onUnauthenticated: (() => Promise<void>) | undefined) {
    this.#parts = parts;
    this.#onUnauthenticated = onUnauthenticated;
  }

  /** The API did what it was asked: whoever was signed out is signed in again. */
  apiSucceeded(): void {
    this.#mayAskToSignIn = true;
  }

  /** A person says that it is mended. */
  mended(): void {
    this.#mendedMs = this.#parts.runtime.now();
    this.#mayAskToSignIn = true;
  }

  /**
   * Nothing more can be done until a person (or the application) acts: pauses everything.
   *
   * @param askedMs when the request was sent: one of before the last mending says nothing new
   */
  stop(reason: StopReason, error: UploadError, askedMs: number): void {
    const { brake, emitter, runtime } = this.#parts;
    const onUnauthenticated = this.#onUnauthenticated;
    // Sent before the reason was mended: the answer of a session that has ended already.
    if (askedMs < this.#mendedMs || !brake.stopFor(reason)) return;
    emitter.emit({ type: 'uploads-stopped', reason, failure: error.toFailure() });
    this.#changed();
    // Once: when signing in did not help, asking again at once would not either. `resume()` may.
    if (reason !== 'unauthenticated' || !onUnauthenticated || !this.#mayAskToSignIn) return;
    this.#mayAskToSignIn = false;
    const signIn = async () => {
      await onUnauthenticated();
      brake.release();
      this.#mendedMs = runtime.now();
      this.#changed();
    };
    signIn().catch((cause: unknown) => runtime.reportError(cause));
  }

  /** Whether everything stands still has changed. */
  #changed(): void {
    this.#parts.onChange();
    this.#parts.wake();
  }
}
