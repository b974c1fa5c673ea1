import type { Runtime, TimerHandle } from '../../runtime/runtime.ts';
import { BandwidthCap } from './bandwidth-cap.ts';

/** One cap for everything that sends bytes: closed while the mean speed is above it. */
export class BandwidthGate {
  readonly #cap = new BandwidthCap();
  readonly #context: { readonly runtime: Runtime; wake(): void };
  #timer: TimerHandle | undefined;

  /** @param context `wake` is called when the gate opens */
  constructor(context: { readonly runtime: Runtime; wake(): void }) {
    this.#context = context;
  }

  /** @param bytesPerSecond null for no cap */
  set(bytesPerSecond: number | null): void {
    this.dispose();
    this.#timer = undefined;
    this.#cap.set(bytesPerSecond, this.#context.runtime.now());
  }

  /** Whether nothing may start now; everything is woken when something may. */
  isClosed(): boolean {
    const { runtime } = this.#context;
    const waitMs = this.#cap.waitMs(runtime.now());
    if (waitMs <= 0) return false;
    this.#timer ??= runtime.setTimer(() => {
      this.#timer = undefined;
      this.#context.wake();
    }, Math.ceil(waitMs));
    return true;
  }

  started(bytes: number): void {
    this.#cap.started(bytes, this.#context.runtime.now());
  }

  dispose(): void {
    if (this.#timer !== undefined) this.#context.runtime.clearTimer(this.#timer);
  }
}
