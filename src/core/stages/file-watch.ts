import type { UploadError } from '../../errors/upload-error.ts';
import { findFault } from '../../hashing/read-error.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Runtime } from '../../runtime/runtime.ts';

/** Nothing was heard of a PUT for so long: the file is looked at, which takes about a millisecond. */
const QUIET_MS = 5_000;

export interface FileWatchParts {
  readonly runtime: Runtime;
  /** What is being sent: a file, or those of a pack; undefined for what is in memory and cannot change. */
  readonly bodies: readonly (Blob | undefined)[];
  /** Of the PUT. */
  readonly signal: AbortSignal;
  /** Called once, with `file_changed`, or `file_unreadable` of a file that is gone, and which one it is. */
  readonly onFault: (error: UploadError, index: number) => void;
}

/**
 * Looks at a file whose PUT has fallen silent. Firefox sends what is left of a file that was cut off, and
 * nothing of one that is gone, and then waits, as the store does, for bytes that never come: no event says
 * so. After the first byte only a missing end counts: what is open may be sent to its end, though it went,
 * or was touched, meanwhile.
 */
export class FileWatch {
  readonly #parts: FileWatchParts;
  readonly #quiet: Deadline;
  #hasSent = false;
  #isStopped = false;

  constructor(parts: FileWatchParts) {
    this.#parts = parts;
    this.#quiet = new Deadline(parts.runtime, () => void this.#look());
    this.#arm();
  }

  /** Bytes moved. */
  sent(): void {
    this.#hasSent = true;
    this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#quiet.clear();
  }

  #arm(): void {
    if (!this.#isStopped) this.#quiet.set(QUIET_MS);
  }

  async #look(): Promise<void> {
    const { bodies, onFault } = this.#parts;
    for (const [index, body] of bodies.entries()) {
      if (!body) continue;
      const fault = await findFault(body, this.#parts).catch(() => undefined);
      if (this.#isStopped || this.#parts.signal.aborted) return;
      if (!fault || (this.#hasSent && !isCutOff(fault))) continue;
      this.stop();
      onFault(fault, index);
      return;
    }
    this.#arm();
  }
}

/** The browser reads it, and its end is not there. */
const isCutOff = ({ code, cause }: UploadError) => code === 'file_changed' && cause === undefined;
