import { systemRuntime } from '../../runtime/runtime.ts';
import type { CredentialRequest } from '../../transports/adapter.ts';

export interface TestFile {
  readonly request: CredentialRequest;
  readonly body: Blob;
}

export interface FileShape {
  readonly name?: string;
  readonly sizeBytes?: number;
  /** Large bodies that never arrive need no true one. Default true. */
  readonly isHashed?: boolean;
}

/** A file with bytes that no other file has. */
export async function makeTestFile(shape: FileShape = {}): Promise<TestFile> {
  const { name = 'photo.jpg', sizeBytes = 20_000, isHashed = true } = shape;
  const bytes = new Uint8Array(sizeBytes);
  crypto.getRandomValues(bytes.subarray(0, Math.min(sizeBytes, 64)));
  const type = 'image/jpeg';
  const digest = isHashed
    ? new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    : crypto.getRandomValues(new Uint8Array(32));
  const checksum = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const id = systemRuntime().uuid();
  const request = { id, name, path: name, sizeBytes, mimeType: type, checksum };
  return { request, body: new Blob([bytes], { type }) };
}
