import { UploadError } from '../../errors/upload-error.ts';
import { patiently, StalledError } from '../../hashing/patiently.ts';
import { findFault } from '../../hashing/read-error.ts';
import type { Runtime } from '../../runtime/runtime.ts';

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
    const context = { runtime: this.#runtime, signal: new AbortController().signal };
    try {
      for (let at = 0; at < size; at += PIECE_BYTES) {
        const piece = this.file.slice(at, Math.min(at + PIECE_BYTES, size));
        pieces.push(await patiently(piece.arrayBuffer(), STALL_MS, context));
      }
      const copy = new File(pieces, name, { type, lastModified });
      if (copy.size === size) return copy;
    } catch (cause) {
      if (cause instanceof StalledError) {
        throw new UploadError('stalled', `Reading the file: ${cause.message}`, { cause });
      }
    }
    const fault = await findFault(this.file, context);
    if (fault) throw fault;
    return undefined;
  }
}
