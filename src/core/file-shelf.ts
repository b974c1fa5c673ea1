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

/** Larger files are read again when they are sent: that costs less than to hold them. */
const MAX_KEPT_FILE_BYTES = 64 * 1024;
const MAX_KEPT_BYTES = 32 * 1024 * 1024;

/** The files of all uploads that may still be read, each at hand or to be opened when it is needed. */
export class FileShelf {
  readonly #files = new Map<string, Shelved>();
  readonly #kept = new Map<string, ArrayBuffer>();
  #keptBytes = 0;

  put(id: string, file: Shelved): void {
    this.forgetBytes(id);
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

  /** The bytes of a small file, as they were hashed. */
  keptBytes(id: string): ArrayBuffer | undefined {
    return this.#kept.get(id);
  }

  /** Whether so many bytes more may be kept in memory. */
  mayKeep(sizeBytes: number): boolean {
    return sizeBytes <= MAX_KEPT_FILE_BYTES && this.#keptBytes + sizeBytes <= MAX_KEPT_BYTES;
  }

  /** Keeps the bytes of a small file until it is sent. */
  keepBytes(id: string, bytes: ArrayBuffer): void {
    this.forgetBytes(id);
    this.#kept.set(id, bytes);
    this.#keptBytes += bytes.byteLength;
  }

  /** They will not be sent from memory. */
  forgetBytes(id: string): void {
    this.#keptBytes -= this.#kept.get(id)?.byteLength ?? 0;
    this.#kept.delete(id);
  }

  delete(id: string): void {
    this.#files.delete(id);
    this.forgetBytes(id);
  }

  clear(): void {
    this.#files.clear();
    this.#kept.clear();
    this.#keptBytes = 0;
  }
}
