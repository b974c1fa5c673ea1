import type { Uploader } from '../core/uploader.ts';
import { createUploader, type UploaderOptions } from '../create-uploader.ts';

/**
 * React may throw a first render away: because another component suspended, or because StrictMode renders
 * twice. Nobody tells, so an uploader that no effect has kept after so long is ended.
 */
const UNKEPT_MS = 2_000;

/**
 * An uploader that lives while a component is mounted. It is made when it is first asked for, so that a
 * lease which React makes and drops costs nothing.
 */
export class UploaderLease {
  #uploader: Uploader | undefined;
  #ending: ReturnType<typeof setTimeout> | undefined;
  #isEnded = false;

  /** It was ended before it was kept, or while its component was hidden. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /**
   * @param options of the first call; later ones change nothing
   * @throws OptionError when an option is unknown or wrong
   */
  uploader(options: UploaderOptions): Uploader {
    if (this.#uploader) return this.#uploader;
    this.#uploader = createUploader(options);
    // A server renders once and runs no effects: what it renders is an uploader that does nothing.
    if (typeof document === 'undefined') this.#end();
    else this.#endIn(UNKEPT_MS);
    return this.#uploader;
  }

  /** The component is mounted. @returns what to call when it no longer is */
  keep(): () => void {
    clearTimeout(this.#ending);
    // StrictMode, and an edit of the source, unmount and mount again in one go: that is no end.
    return () => this.#endIn(0);
  }

  #endIn(delayMs: number): void {
    clearTimeout(this.#ending);
    this.#ending = setTimeout(() => this.#end(), delayMs);
  }

  #end(): void {
    this.#isEnded = true;
    this.#uploader?.destroy();
  }
}
