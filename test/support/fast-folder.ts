import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';

/** Linux keeps it in memory. */
const SHARED_MEMORY = '/dev/shm';
/** An embedded database has 40 MB in 1,000 files, and two or three are open at a time. */
const MIN_FREE_BYTES = 2 * 1024 ** 3;

/**
 * For what need not outlive the run: memory where there is room, else the folder for temporary files. Copying an
 * embedded database takes 0.04 s there, and 1.3 s, half of it processor, on a disk.
 */
export async function fastFolder(): Promise<string> {
  const room = await statfs(SHARED_MEMORY).catch(() => undefined);
  const isRoomy = room && room.bavail * room.bsize >= MIN_FREE_BYTES;
  return isRoomy ? SHARED_MEMORY : tmpdir();
}
