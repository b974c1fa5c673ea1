interface Waiting {
  readonly bytes: number;
  readonly enter: () => void;
}

/** Bytes that may be held at once. Whoever asks first gets first, so that large files get their turn. */
export class ByteBudget {
  readonly #totalBytes: number;
  #usedBytes = 0;
  readonly #waiting: Waiting[] = [];

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  /** What is held at the moment. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Waits until so many bytes are free; more than there are in all waits for all of them.
   *
   * @returns what gives them back; further calls of it do nothing
   * @throws the signal's reason
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const share = Math.min(bytes, this.#totalBytes);
    if (this.#waiting.length > 0 || !this.#fits(share)) await this.#wait(share, signal);
    else this.#usedBytes += share;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#usedBytes -= share;
      this.#admit();
    };
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        bytes,
        enter: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
        // It may have stood before others that fit.
        this.#admit();
      };
      this.#waiting.push(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #admit(): void {
    for (let first = this.#waiting[0]; first && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift();
      this.#usedBytes += first.bytes;
      first.enter();
    }
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.#totalBytes;
  }
}
