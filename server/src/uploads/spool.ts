import { createHash } from 'node:crypto';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineFailure } from '../jobs/machine-failure.ts';
import { ProblemError } from '../problem-error.ts';

/** What is known once all bytes came. */
export interface Spooled {
  size: number;
  /** SHA-256 in lower-case hex. */
  checksum: string;
}

/** A disk is seldom cleared faster. */
const RETRY_SECONDS = 30;

/**
 * A file without a name: it goes with the process, however that ends.
 * @throws {ProblemError} `unavailable` where the machine has no room, or no handles
 */
export async function openSpool(): Promise<FileHandle> {
  try {
    const dir = await mkdtemp(join(tmpdir(), 'bulkhead-form-'));
    try {
      return await open(join(dir, 'file'), 'wx+', 0o600);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  } catch (error) {
    throw nameShortage(error);
  }
}

/**
 * Writes bytes to disk as they come, until a store can be told their size and checksum.
 * @returns `too_large` as soon as there are more than `maxBytes`
 * @throws {ProblemError} `unavailable` where the disk is full
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
    await spool.writeFile(chunk).catch((error: unknown) => {
      throw nameShortage(error);
    });
  }
  return { size, checksum: hash.digest('hex') };
}

/** What the machine is short of passes, and is nobody's file's fault. */
function nameShortage(cause: unknown): unknown {
  if (machineFailure(cause) === undefined) return cause;
  const message = 'The server has no room for the file just now';
  return new ProblemError('unavailable', message, { cause, retryAfterSeconds: RETRY_SECONDS });
}
