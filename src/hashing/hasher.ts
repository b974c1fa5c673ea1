/** A small file, as it was when it was hashed. */
export interface HashedBytes {
  /** 64 lower-case hex digits. */
  readonly checksum: string;
  readonly bytes: ArrayBuffer;
}

/** SHA-256 of a file. Every implementation passes `describeHasher`. */
export interface Hasher {
  /**
   * @returns 64 lower-case hex digits
   * @throws UploadError `file_unreadable` when the file is gone, `file_changed` when it is not the
   *   size it was, `cancelled` after the signal, `hashing_failed` otherwise
   */
  hash(file: Blob, signal: AbortSignal): Promise<string>;
  /**
   * As `hash`, of a file of a few kilobytes whose bytes are to be sent from memory: they are read once.
   *
   * @returns undefined where this page hashes small files elsewhere
   */
  hashAndKeep?(file: Blob, signal: AbortSignal): Promise<HashedBytes | undefined>;
  /** How it hashes at the moment, for diagnostics. */
  readonly mode?: HashMode;
  /**
   * Ends workers; what they are hashing fails as `cancelled`. The signal ends what the page reads. A
   * later `hash` starts workers again.
   */
  dispose?(): void;
}

/** How files are hashed on this page. Nothing here needs anybody to act: digests are the same. */
export interface HashMode {
  /** Whether the page has `crypto.subtle`: pages on plain http do not. */
  readonly hasWebCrypto: boolean;
  /** Larger files are hashed in slices; 0 without WebCrypto. */
  readonly maxBufferedBytes: number;
  /** What hashes slices: JavaScript where WASM is forbidden; `undefined` until one was hashed. */
  readonly slices: 'wasm' | 'js' | undefined;
  /**
   * `blocked`: this page may not start workers, or the script is not where it should be.
   * `given-up`: they were lost too often. In both cases the page hashes by itself.
   */
  readonly worker: 'unused' | 'starting' | 'running' | 'blocked' | 'given-up';
  /** Workers that crashed or fell silent. */
  readonly workersLost: number;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(digest: ArrayBuffer): string {
  let hex = '';
  for (const byte of new Uint8Array(digest)) hex += HEX[byte];
  return hex;
}
