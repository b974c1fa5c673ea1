import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobEntry, BlobPage } from './blob-store.ts';
import { isKey } from './keys.ts';

const PAGE_ENTRIES = 1000;

/**
 * Objects under `dir` whose key begins with `prefix`, in the order of keys, after the key `after`. No name of
 * a directory is the beginning of another's, so walking them sorted gives sorted keys.
 */
export async function listFiles(dir: string, prefix: string, after = ''): Promise<BlobPage> {
  const entries: BlobEntry[] = [];
  for await (const key of keysUnder(dir, '', prefix, after)) {
    const entry = await describe(dir, key);
    if (!entry) continue;
    // One more than fits: the page is not the last.
    const last = entries.at(-1);
    if (entries.length === PAGE_ENTRIES && last) return { entries, next: last.key };
    entries.push(entry);
  }
  return { entries };
}

async function* keysUnder(
  dir: string,
  folder: string,
  prefix: string,
  after: string,
): AsyncGenerator<string, void> {
  for (const entry of await readSorted(join(dir, folder))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      const inside = `${path}/`;
      const canMatch = inside.startsWith(prefix) || prefix.startsWith(inside);
      // Sorted below everything that begins with it, or the cursor is within.
      const isBefore = after >= inside && !after.startsWith(inside);
      if (canMatch && !isBefore) yield* keysUnder(dir, path, prefix, after);
    } else if (path > after && path.startsWith(prefix) && isKey(path)) {
      yield path;
    }
  }
}

async function readSorted(folder: string) {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function describe(dir: string, key: string): Promise<BlobEntry | undefined> {
  try {
    const { size, mtimeMs } = await stat(join(dir, key));
    return { key, sizeBytes: size, modifiedAtMs: mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
