/** SHA-256 of bytes that come one after another; to be used again and again. */
export interface Sha256 {
  readonly engine: 'wasm' | 'js';
  /** Forgets what came before. */
  begin(): void;
  update(bytes: Uint8Array): void;
  /** @returns 64 lower-case hex digits */
  end(): string;
}

/** Where both implementations come from. */
export interface Sha256Loaders {
  readonly wasm: () => Promise<Sha256>;
  /** Absent: where WASM cannot be had, `take` rejects. */
  readonly js?: () => Sha256 | Promise<Sha256>;
}

/** Gives out what hashes slices: WASM, or JavaScript where WASM cannot be had. */
export class Sha256Source {
  readonly #loaders: Sha256Loaders;
  /** Kept: a WASM instance takes longer to make than a small file takes to hash. */
  readonly #idle: Sha256[] = [];
  #engine: Sha256['engine'] | undefined;

  constructor(loaders: Sha256Loaders) {
    this.#loaders = loaders;
  }

  /** What is used; undefined before the first `take`. */
  get engine(): Sha256['engine'] | undefined {
    return this.#engine;
  }

  /** One that has begun; give it back after use. */
  async take(): Promise<Sha256> {
    const hash = this.#idle.pop() ?? (await this.#create());
    hash.begin();
    return hash;
  }

  give(hash: Sha256): void {
    this.#idle.push(hash);
  }

  async #create(): Promise<Sha256> {
    const hash = await this.#load();
    this.#engine = hash.engine;
    return hash;
  }

  async #load(): Promise<Sha256> {
    const { wasm, js } = this.#loaders;
    if (this.#engine === 'js' && js) return js();
    try {
      return await wasm();
    } catch (cause) {
      // Forbidden by the content security policy, or not there: the digest is the same.
      if (js) return js();
      throw cause;
    }
  }
}
