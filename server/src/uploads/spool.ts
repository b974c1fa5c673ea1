import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What is known once all bytes came. */
export interface Spooled {
  size: number;
  /** SHA-256 in lower-case hex. */
  checksum: string;
}

/** A file without a name: it goes with the process, however that ends. */
export async function openSpool(): Promise<FileHandle> {
  const dir = await mkdtemp(join(tmpdir(), 'bulkhead-form-'));
  try {
    return await open(join(dir, 'file'), 'wx+', 0o600);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * Writes bytes to disk as they come, until a store can be told their size and checksum.
 * @returns `too_large` as soon as there are more than `maxBytes`
 */
export async function spoolBytes(
  chunks: AsyncIterable<Uint8Array>,
  spool: Pick<FileHandle, 'writeFile'>,
  maxBytes: number,
): Promise<Spooled | 'too_large'> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size > maxBytes) return 'too_large';
    hash.update(chunk);
    await spool.writeFile(chunk);
  }
  return { size, checksum: hash.digest('hex') };
}
