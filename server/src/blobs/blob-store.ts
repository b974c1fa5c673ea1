import type { Readable } from 'node:stream';

/** What a PUT must be, exactly. */
export interface PutGrant {
  key: string;
  sizeBytes: number;
  /** 64 lower-case hex digits. */
  checksum: string;
  contentType: string;
  expiresInSeconds: number;
}

export interface SignedPut {
  url: string;
  method: 'PUT';
  headers: Record<string, string>;
}

export interface BlobInfo {
  sizeBytes: number;
  /** SHA-256 in hex, where the store itself computed or enforced it. */
  checksum?: string;
}

export interface GetGrant {
  key: string;
  expiresInSeconds: number;
  contentType: string;
  /** When given, the answer says `Content-Disposition: attachment` with this name. */
  downloadName?: string;
}

/**
 * Where bytes live. Keys are made by the server. Every implementation passes `describeBlobStore`.
 * A missing object is `undefined` from `head` and a `BlobNotFoundError` from reads, never empty bytes.
 */
export interface BlobStore {
  readonly name: string;
  /** Permits one create-only PUT of exactly these bytes. */
  signPut(grant: PutGrant): Promise<SignedPut>;
  /** A URL that reads one object. Stable within its lifetime, so that browsers may cache it. */
  signGet(grant: GetGrant): Promise<string>;
  head(key: string): Promise<BlobInfo | undefined>;
  /** Up to `lengthBytes` from the start. */
  readStart(key: string, lengthBytes: number): Promise<Uint8Array>;
  read(key: string): Promise<Readable>;
  /** Server-side write of a derivative: replaces what was there, atomically. */
  write(key: string, bytes: Uint8Array, contentType: string): Promise<void>;
  /** Deletes; a missing object is no error. */
  delete(keys: readonly string[]): Promise<void>;
}

export class BlobNotFoundError extends Error {
  override readonly name = 'BlobNotFoundError';
  readonly key: string;
  constructor(key: string) {
    super(`There is no object at ${key}`);
    this.key = key;
  }
}
