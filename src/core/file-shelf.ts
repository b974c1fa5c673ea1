/** Where a file comes from that is not at hand yet: a stored handle, a kept copy. */
export type FileSource = () => Promise<Blob>;

/** A file that can be read as it is, and sent only as a copy. */
export interface ReadableFile {
  readonly file: Blob;
  /** @returns undefined when there can be no copy */
  copy(): Promise<Blob | undefined>;
}

/** At hand, to be opened, or to be copied. */
export type Shelved = Blob | FileSource | ReadableFile;

/** The files of all uploads that may still be read, each at hand or to be opened when it is needed. */
export class FileShelf {
  readonly #files = new Map<string, Shelved>();

  put(id: string, file: Shelved): void {
    this.#files.set(id, file);
  }

  has(id: string): boolean {
    return this.#files.has(id);
  }

  /** The file itself where it is at hand: what another tab may be given. */
  atHand(id: string): Blob | undefined {
    const file = this.#files.get(id);
    return file instanceof Blob ? file : undefined;
  }

  /**
   * The file to be read, opened where it has to be.
   *
   * @returns undefined when there is none: the upload was cancelled or is stored
   * @throws what the source says of a file that cannot be opened
   */
  async open(id: string): Promise<Blob | undefined> {
    const file = this.#files.get(id);
    if (typeof file === 'function') return file();
    return file === undefined || file instanceof Blob ? file : file.file;
  }

  /**
   * The file to be sent, opened or copied where it has to be.
   *
   * @returns undefined when there is none, or none that this page can send
   * @throws what the source says of a file that cannot be opened
   */
  async openToSend(id: string): Promise<Blob | undefined> {
    const file = this.#files.get(id);
    if (typeof file === 'function') return file();
    return file === undefined || file instanceof Blob ? file : file.copy();
  }

  delete(id: string): void {
    this.#files.delete(id);
  }

  clear(): void {
    this.#files.clear();
  }
}
