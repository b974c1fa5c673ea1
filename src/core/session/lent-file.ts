import { UploadError } from '../../errors/upload-error.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { findFileFault } from '../stages/file-fault.ts';

/** A copy takes memory until its PUT ends: as much as all PUTs together may have under way. */
export const MAX_LENT_BYTES = 256 * 1024 * 1024;
/** A copy is read in pieces, so that one that hangs is noticed. */
const PIECE_BYTES = 8 * 1024 * 1024;
/** As long as a read may show nothing while hashing. */
const STALL_MS = 30_000;

/**
 * A file that another tab was given. This tab can read it, but Chromium does not let it send it: a copy of
 * its bytes in memory can be sent.
 */
export class LentFile {
  /** To be read as it is. */
  readonly file: File;
  readonly #runtime: Runtime;

  /** @param file of at most {@link MAX_LENT_BYTES} */
  constructor(file: File, runtime: Runtime) {
    this.file = file;
    this.#runtime = runtime;
  }

  /**
   * A copy that can be sent.
   *
   * @returns undefined when there is no memory for it: the person has to give the file to this tab
   * @throws UploadError `file_changed` or `file_unreadable` when it is the file, `stalled` when reading hangs
   */
  async copy(): Promise<File | undefined> {
    const { name, type, lastModified, size } = this.file;
    const pieces: ArrayBuffer[] = [];
    try {
      for (let at = 0; at < size; at += PIECE_BYTES) {
        const piece = this.file.slice(at, Math.min(at + PIECE_BYTES, size));
        pieces.push(await this.#inTime(piece.arrayBuffer()));
      }
      const copy = new File(pieces, name, { type, lastModified });
      if (copy.size === size) return copy;
    } catch (cause) {
      if (cause instanceof UploadError) throw cause;
    }
    const fault = await findFileFault(this.file, size);
    if (fault) throw fault;
    return undefined;
  }

  #inTime<T>(reading: Promise<T>): Promise<T> {
    const runtime = this.#runtime;
    return new Promise((resolve, reject) => {
      const message = `Nothing of the file could be read for ${STALL_MS / 1_000} s.`;
      const timer = runtime.setTimer(() => reject(new UploadError('stalled', message)), STALL_MS);
      reading.then(resolve, reject).finally(() => runtime.clearTimer(timer));
    });
  }
}
