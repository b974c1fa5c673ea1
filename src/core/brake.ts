import type { StopReason } from './types.ts';

/** Who holds what: everything (a person, or a reason to stop) and single uploads. */
export class Brake {
  readonly #paused = new Set<string>();
  #isPausedByPerson = false;
  #stop: StopReason | null = null;

  /** Nothing new is started. */
  get isOn(): boolean {
    return this.#isPausedByPerson || this.#stop !== null;
  }

  get stop(): StopReason | null {
    return this.#stop;
  }

  pauseAll(): void {
    this.#isPausedByPerson = true;
  }

  /** @returns whether this reason is new */
  stopFor(reason: StopReason): boolean {
    if (this.#stop !== null) return false;
    this.#stop = reason;
    return true;
  }

  /** @returns the uploads that were paused one by one, and no longer are */
  resumeAll(): string[] {
    this.#isPausedByPerson = false;
    this.#stop = null;
    const ids = [...this.#paused];
    this.#paused.clear();
    return ids;
  }

  /** Ends a stop, but not a person's pause. */
  release(): void {
    this.#stop = null;
  }

  pause(id: string): void {
    this.#paused.add(id);
  }

  /** @returns whether it was paused */
  resume(id: string): boolean {
    return this.#paused.delete(id);
  }

  isPaused(id: string): boolean {
    return this.#paused.has(id);
  }
}
