/** Where a file comes from that is not at hand yet: a stored handle, a kept copy. */
export type FileSource = () => Promise<Blob>;

/** The files of all uploads that may still be read, each at hand or to be opened when it is needed. */
export class FileShelf {
  readonly #files = new Map<string, Blob | FileSource>();

  put(id: string, file: Blob | FileSource): void {
    this.#files.set(id, file);
  }

  has(id: string): boolean {
    return this.#files.has(id);
  }

  /** The file itself where it is at hand: what another tab may be given. */
  atHand(id: string): Blob | undefined {
    const file = this.#files.get(id);
    return typeof file === 'function' ? undefined : file;
  }

  /**
   * The file, opened where it has to be.
   *
   * @returns undefined when there is none: the upload was cancelled or is stored
   * @throws what the source says of a file that cannot be opened
   */
  async open(id: string): Promise<Blob | undefined> {
    const file = this.#files.get(id);
    return typeof file === 'function' ? file() : file;
  }

  delete(id: string): void {
    this.#files.delete(id);
  }

  clear(): void {
    this.#files.clear();
  }
}
