import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mapConcurrently } from '../../server/src/concurrency.ts';
import { createImage } from '../load/image.ts';

export interface ImageFolder {
  readonly name: string;
  readonly files: number;
  readonly megapixels: number;
}

/** What a library mostly holds, and what a phone makes. */
export const IMAGE_FOLDERS: readonly ImageFolder[] = [
  { name: 'small', files: 400, megapixels: 0.9 },
  { name: 'phone', files: 60, megapixels: 12 },
];

const CACHE_DIR = path.resolve(
  import.meta.dirname,
  '../../node_modules/.cache/bulkhead-processing',
);
const SEED = 11;

/** JPEG files on disk, made once: the same bytes every time. @returns their paths */
export async function openImageFolder(folder: ImageFolder): Promise<string[]> {
  const dir = path.join(CACHE_DIR, `${folder.files}x${folder.megapixels}mp`);
  const paths = Array.from({ length: folder.files }, (_, i) => path.join(dir, `${i}.jpg`));
  if (existsSync(dir)) return paths;
  const part = `${dir}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true });
  await mapConcurrently(paths, 2, async (file, index) => {
    const pixels = folder.megapixels * 1e6;
    const orientation = index % 3 === 0 ? 6 : 1;
    const bytes = await createImage({ seed: SEED, index, format: 'jpeg', pixels, orientation });
    await writeFile(path.join(part, path.basename(file)), bytes);
  });
  // Under its name only when it is whole.
  await rename(part, dir);
  return paths;
}
