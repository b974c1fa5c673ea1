import type { Credential } from '../../protocol/index.ts';
import type { Runtime } from '../../runtime/runtime.ts';

/** A credential is not used in its last seconds: the PUT must begin before it expires. */
const EXPIRY_MARGIN_MS = 15_000;
/** Nor is one that lives shortly refused at once for that. */
const MARGIN_SHARE = 0.5;

interface Held {
  readonly credential: Credential;
  /** By the monotonic clock, which the person cannot set. */
  readonly expiresMs: number;
  /** By the wall clock too: while a machine sleeps, some browsers' monotonic clocks stand still. */
  readonly expiresEpochMs: number;
}

/** The credentials of uploads that are ready: beside the rows, so that no URL reaches an event or a store. */
export class HeldCredentials {
  readonly #runtime: Runtime;
  readonly #held = new Map<string, Held>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  hold(id: string, credential: Credential): void {
    const { expiresInMs } = credential;
    const usableMs = expiresInMs - Math.min(EXPIRY_MARGIN_MS, expiresInMs * MARGIN_SHARE);
    const expiresMs = this.#runtime.now() + usableMs;
    const expiresEpochMs = this.#runtime.epochNow() + usableMs;
    this.#held.set(id, { credential, expiresMs, expiresEpochMs });
  }

  /** @returns undefined when there is none, or none that lives long enough to be used */
  usable(id: string): Credential | undefined {
    const held = this.#held.get(id);
    if (!held) return undefined;
    const isOver =
      held.expiresMs <= this.#runtime.now() || held.expiresEpochMs <= this.#runtime.epochNow();
    return isOver ? undefined : held.credential;
  }

  /** As it is, expired or not. */
  get(id: string): Credential | undefined {
    return this.#held.get(id)?.credential;
  }

  delete(id: string): void {
    this.#held.delete(id);
  }
}
