import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const FILES_A_FOLDER = 250;

/** A folder on disk for dropping; `remove` when done. */
export interface PhotoFolder {
  readonly dir: string;
  remove(): Promise<void>;
}

/** Makes `count` small files, in folders of more than the 100 entries that Chromium lists at once. */
export async function createPhotoFolder(count: number): Promise<PhotoFolder> {
  const root = await mkdtemp(path.join(tmpdir(), 'bulkhead-intake-'));
  const dir = path.join(root, 'Camera');
  for (let first = 0; first < count; first += FILES_A_FOLDER) {
    const folder = path.join(dir, String(first / FILES_A_FOLDER).padStart(3, '0'));
    await mkdir(folder, { recursive: true });
    const size = Math.min(FILES_A_FOLDER, count - first);
    await Promise.all(
      Array.from({ length: size }, (_, index) => {
        const name = `IMG_${String(first + index).padStart(6, '0')}.jpg`;
        return writeFile(path.join(folder, name), `photo ${first + index}`);
      }),
    );
  }
  return { dir, remove: () => rm(root, { recursive: true, force: true }) };
}
