import type { Readable } from 'node:stream';
import type { MultipartLimits } from 'bulkhead/protocol';

/** What an upload must be, exactly. */
export interface PutGrant {
  key: string;
  sizeBytes: number;
  /** 64 lower-case hex digits. */
  checksum: string;
  contentType: string;
  expiresInSeconds: number;
}

/** What this server itself stores, exactly. */
export type ObjectPromise = Omit<PutGrant, 'expiresInSeconds'>;

export interface SignedPut {
  url: string;
  method: 'PUT';
  headers: Record<string, string>;
}

/** A form that the file ends, as the field `file`. */
export interface SignedPost {
  url: string;
  method: 'POST';
  headers: Record<string, string>;
  /** In this order, before the file. */
  fields: Record<string, string>;
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

/** What a store can do beyond the least that all can. Tests and documentation go by it. */
export interface BlobCapabilities {
  /** A PUT of a key that is taken is refused, with 412 where the bytes were the promised ones. */
  readonly createOnly: boolean;
  /**
   * A PUT of other bytes than promised is refused. Without it, only one of more bytes is, and the rest is
   * found at finalize, which reads the object.
   */
  readonly verifiesUploads: boolean;
  /** `head` gives the checksum of what a permit uploaded. Without it, finalize reads the object. */
  readonly reportsChecksums: boolean;
  /** URLs for reading expire. Without it, whoever has one can read for as long as the object is there. */
  readonly expiringReads: boolean;
  /** A download carries the name that its URL was signed with. Without it, the store chooses one. */
  readonly namesDownloads: boolean;
  /**
   * Bytes that come through this server are at their place: it is no detour. Where it is one, packs are taken
   * only when asked for.
   */
  readonly isLocal: boolean;
}

export interface BlobEntry {
  key: string;
  sizeBytes: number;
  /** When its bytes were last written, by the store's clock; milliseconds since the epoch. */
  modifiedAtMs: number;
}

/** At most 1,000 entries. */
export interface BlobPage {
  entries: BlobEntry[];
  /** What `list` takes to go on. Absent at the end. Opaque, and good for a day. */
  next?: string;
}

/** What the PUT of one part must be, exactly. */
export interface PartGrant {
  key: string;
  uploadId: string;
  /** From 1. */
  partNumber: number;
  sizeBytes: number;
  /** Of the part: 64 lower-case hex digits. */
  checksum: string;
  expiresInSeconds: number;
}

/** What a store has of a part. */
export interface StoredPart {
  /** From 1. */
  partNumber: number;
  sizeBytes: number;
  /** Opaque. */
  etag: string;
  /** SHA-256 of the part in base64, where the store keeps it. */
  checksumBase64?: string;
}

/** An upload in parts that was begun and not completed. */
export interface UnfinishedUpload {
  key: string;
  uploadId: string;
}

/**
 * Large objects in parts, of which each may be sent again. There is no object until they are completed, and
 * then `head` gives no checksum unless the store itself computed one over the whole.
 */
export interface BlobMultipart {
  readonly limits: MultipartLimits;
  /** Files from this size on may go in parts. */
  readonly fromBytes: number;
  /** @returns the upload's id. Twice for one key are two uploads. */
  begin(key: string, contentType: string): Promise<string>;
  /**
   * All parts it has, in order; `undefined` where no such upload is open. After it was completed, some servers
   * answer as before: `head` is asked first.
   */
  list(key: string, uploadId: string): Promise<StoredPart[] | undefined>;
  /** Permits one PUT of exactly these bytes; a second one replaces the part. */
  signPart(grant: PartGrant): Promise<SignedPut>;
  /**
   * Makes the object of these parts, which are all of them.
   * @returns false when something came before: it is completed or aborted, a part was replaced, or the key is
   *   taken. `head` tells which.
   */
  complete(key: string, uploadId: string, parts: readonly StoredPart[]): Promise<boolean>;
  /**
   * Forgets its parts; never those that became an object.
   * @returns false where no such upload is open, which is no error.
   */
  abort(key: string, uploadId: string): Promise<boolean>;
}

/**
 * Where bytes live. Keys are made by the server. Every implementation passes `describeBlobStore`.
 * A missing object is `undefined` from `head` and a `BlobNotFoundError` from reads, never empty bytes.
 */
export interface BlobStore {
  readonly name: string;
  readonly capabilities: BlobCapabilities;
  /**
   * Resolves when the store can be used as configured; for the start and for health checks.
   * @throws {BlobStoreUnusableError} saying what is wrong.
   */
  ping(): Promise<void>;
  /**
   * Resolves while there is room to write. Absent where a store is never full.
   * @throws {BlobStoreUnusableError} saying how much is left.
   */
  checkRoom?(): Promise<void>;
  /** Permits one upload of exactly these bytes, as far as `capabilities` go. */
  signPut(grant: PutGrant): Promise<SignedPut | SignedPost>;
  /** A URL that reads one object. Stable within its lifetime, so that browsers may cache it. */
  signGet(grant: GetGrant): Promise<string>;
  head(key: string): Promise<BlobInfo | undefined>;
  /** Up to `lengthBytes` from the start. */
  readStart(key: string, lengthBytes: number): Promise<Uint8Array>;
  read(key: string): Promise<Readable>;
  /** Server-side write of a derivative: replaces what was there, atomically. */
  write(key: string, bytes: Uint8Array, contentType: string): Promise<void>;
  /**
   * Server-side write of an original whose size and SHA-256 are known: exactly these bytes, or nothing.
   * @returns false when the key was taken: what was there stays. Where a store cannot tell (without
   *   `capabilities.createOnly`), true, and the same bytes were written again.
   * @throws when the bytes are not the promised ones; nothing is stored then.
   */
  create(promise: ObjectPromise, source: Uint8Array | Readable): Promise<boolean>;
  /** Deletes; a missing object is no error. */
  delete(keys: readonly string[]): Promise<void>;
  /** What is stored under a prefix, in the order of keys where the store keeps one. */
  list(prefix: string, after?: string): Promise<BlobPage>;
  /**
   * Gives up multipart uploads that began before a time and were never completed; at most `limit` of them.
   * Absent where a store cannot have any.
   * @param neededOf ids of those that somebody still sends, of a page of them. Default: none.
   * @returns how many.
   */
  abortUnfinished?(
    startedBeforeMs: number,
    limit: number,
    neededOf?: (unfinished: readonly UnfinishedUpload[]) => Promise<ReadonlySet<string>>,
  ): Promise<number>;
  /** Absent where a store takes no parts, or is told not to. */
  readonly multipart?: BlobMultipart;
}

export class BlobNotFoundError extends Error {
  override readonly name = 'BlobNotFoundError';
  readonly key: string;
  constructor(key: string) {
    super(`There is no object at ${key}`);
    this.key = key;
  }
}

/** The store cannot be used as it is configured; the message says what to change. */
export class BlobStoreUnusableError extends Error {
  override readonly name = 'BlobStoreUnusableError';
}
