import type { Runtime, TimerHandle } from '../../src/runtime/runtime.ts';

interface Timer {
  readonly id: number;
  readonly atMs: number;
  readonly callback: () => void;
}

/** Lets every promise that is ready settle. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Time that only moves when a test says so, and chance from a seed: the same run every time. */
export class VirtualRuntime implements Runtime {
  readonly errors: unknown[] = [];
  #nowMs = 0;
  #skewMs = 0;
  #timers: Timer[] = [];
  #nextId = 1;
  #seed: number;
  #isOnline = true;
  readonly #connectivity = new Set<() => void>();
  readonly #hiding = new Set<() => void>();

  constructor(seed = 1) {
    this.#seed = seed;
  }

  now(): number {
    return this.#nowMs;
  }

  epochNow(): number {
    return 1_800_000_000_000 + this.#nowMs + this.#skewMs;
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    const id = this.#nextId++;
    this.#timers.push({ id, atMs: this.#nowMs + Math.max(0, delayMs), callback });
    return id as unknown as TimerHandle;
  }

  clearTimer(timer: TimerHandle): void {
    this.#timers = this.#timers.filter(({ id }) => id !== (timer as unknown as number));
  }

  yieldToPage(): Promise<void> {
    return this.sleep(0);
  }

  /** mulberry32. */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  uuid(): string {
    const hex = (this.#nextId++).toString(16).padStart(12, '0');
    return `00000000-0000-4000-8000-${hex}`;
  }

  isOnline(): boolean {
    return this.#isOnline;
  }

  setOnline(isOnline: boolean): void {
    this.#isOnline = isOnline;
    for (const callback of this.#connectivity) callback();
  }

  onConnectivityChange(callback: () => void): () => void {
    this.#connectivity.add(callback);
    return () => this.#connectivity.delete(callback);
  }

  onHide(callback: () => void): () => void {
    this.#hiding.add(callback);
    return () => this.#hiding.delete(callback);
  }

  /** The person goes to another page or tab. @returns how many were told */
  hide(): number {
    for (const callback of this.#hiding) callback();
    return this.#hiding.size;
  }

  reportError(error: unknown): void {
    this.errors.push(error);
  }

  /** Somebody sets the wall clock, or the machine slept and its monotonic clock stood still. */
  jumpWallClock(byMs: number): void {
    this.#skewMs += byMs;
    for (const callback of this.#connectivity) callback();
  }

  /** The machine slept and all its clocks went on: timers that were due meanwhile fire late. */
  oversleep(byMs: number): void {
    this.#nowMs += byMs;
    for (const callback of this.#connectivity) callback();
  }

  /** Resolves after so many virtual milliseconds. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.setTimer(resolve, delayMs));
  }

  /** Moves time on, running every timer at its moment, until `done` or `limitMs` later. */
  async advance(limitMs: number, done: () => boolean = () => false): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await settle();
      if (done()) return;
      const next = this.#timers.reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
        undefined,
      );
      if (next === undefined || next.atMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.clearTimer(next.id as unknown as TimerHandle);
      next.callback();
    }
    this.#nowMs = endMs;
    await settle();
  }
}
