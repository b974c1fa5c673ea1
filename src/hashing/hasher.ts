/** SHA-256 of a file. Every implementation passes `describeHasher`. */
export interface Hasher {
  /**
   * @returns 64 lower-case hex digits
   * @throws UploadError `file_unreadable` when the file is gone, `hashing_failed` otherwise
   */
  hash(file: Blob, signal: AbortSignal): Promise<string>;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(digest: ArrayBuffer): string {
  let hex = '';
  for (const byte of new Uint8Array(digest)) hex += HEX[byte];
  return hex;
}
