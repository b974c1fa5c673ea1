import { createHash } from 'node:crypto';

/** One stored object. Plain data but for its body. */
export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** SHA-256 of what arrived: 64 lower-case hex digits. */
  readonly checksum: string;
  readonly contentType: string;
  readonly etag: string;
  /** The bytes, when the server was told to keep them. */
  readonly body: Uint8Array | null;
}

/** Counts and hashes a body while it comes; keeps it only when asked to. */
export class Receipt {
  readonly #hash = createHash('sha256');
  readonly #kept: Uint8Array[] | null;
  sizeBytes = 0;

  constructor(keepsBody: boolean) {
    this.#kept = keepsBody ? [] : null;
  }

  add(chunk: Uint8Array): void {
    this.sizeBytes += chunk.byteLength;
    this.#hash.update(chunk);
    this.#kept?.push(chunk);
  }

  finish(key: string, contentType: string): StoredObject {
    const checksum = this.#hash.digest('hex');
    const body = this.#kept ? new Uint8Array(Buffer.concat(this.#kept)) : null;
    const etag = `"${checksum.slice(0, 32)}"`;
    return { key, sizeBytes: this.sizeBytes, checksum, contentType, etag, body };
  }
}

/** What is stored. Objects are never replaced unless the store is told to. */
export class ObjectShelf {
  readonly objects = new Map<string, StoredObject>();
  readonly #looks = new Map<string, number>();

  /** @returns false when the key is taken */
  put(object: StoredObject, canReplace: boolean): boolean {
    if (!canReplace && this.objects.has(object.key)) return false;
    this.objects.set(object.key, object);
    return true;
  }

  /** The object as HEAD, finalize and reconcile see it: a store may need some looks until it does. */
  look(key: string, invisibleLooks: number): StoredObject | undefined {
    const object = this.objects.get(key);
    if (!object) return undefined;
    const looks = (this.#looks.get(key) ?? 0) + 1;
    this.#looks.set(key, looks);
    return looks > invisibleLooks ? object : undefined;
  }

  delete(key: string): void {
    this.objects.delete(key);
    this.#looks.delete(key);
  }

  clear(): void {
    this.objects.clear();
    this.#looks.clear();
  }
}
