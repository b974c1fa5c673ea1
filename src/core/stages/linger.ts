import type { TimerHandle } from '../../runtime/runtime.ts';
import type { StageContext } from './stage.ts';

/** Waits a little for a fuller batch, with one timer. */
export class Linger {
  readonly #context: Pick<StageContext, 'runtime' | 'wake'>;
  #untilMs = 0;
  #timer: TimerHandle | undefined;

  constructor(context: Pick<StageContext, 'runtime' | 'wake'>) {
    this.#context = context;
  }

  /** Batches may wait so long from now on. */
  begin(durationMs: number): void {
    this.#untilMs = this.#context.runtime.now() + durationMs;
  }

  /** Whether to wait on; everything is woken when the time is over. */
  get isOn(): boolean {
    const { runtime, wake } = this.#context;
    const leftMs = this.#untilMs - runtime.now();
    if (leftMs <= 0) return false;
    this.#timer ??= runtime.setTimer(() => {
      this.#timer = undefined;
      wake();
    }, leftMs);
    return true;
  }

  dispose(): void {
    if (this.#timer !== undefined) this.#context.runtime.clearTimer(this.#timer);
  }
}
