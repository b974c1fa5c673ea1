/** What a read gives: so many bytes, an error, or nothing ever. */
export type ReadFate = number | Error | 'hangs' | 'reads';

export interface HangingFileOptions {
  readonly sizeBytes: number;
  /** By the first byte of the part that is read. Default: what is there. */
  readonly fate: (from: number, to: number) => ReadFate;
}

/** A file on a drive that does what the test says. Counts its reads. */
export class HangingFile extends Blob {
  readonly reads: [from: number, to: number][] = [];
  readonly #fate: HangingFileOptions['fate'];
  readonly #sizeBytes: number;

  constructor({ sizeBytes, fate }: HangingFileOptions) {
    super([]);
    this.#sizeBytes = sizeBytes;
    this.#fate = fate;
  }

  override get size(): number {
    return this.#sizeBytes;
  }

  override slice(from = 0, to = this.size): Blob {
    const start = from < 0 ? Math.max(0, this.size + from) : Math.min(from, this.size);
    const end = Math.min(to, this.size);
    return new HangingFile({
      sizeBytes: Math.max(0, end - start),
      fate: (first, last) => {
        this.reads.push([start + first, start + last]);
        return this.#fate(start + first, start + last);
      },
    });
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const fate = this.#fate(0, this.size);
    if (fate === 'hangs') return new Promise(() => {});
    if (fate instanceof Error) throw fate;
    return new ArrayBuffer(fate === 'reads' ? this.size : fate);
  }
}
