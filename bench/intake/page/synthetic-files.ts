const SIZES = 1_000;
const FIRST_MTIME_MS = Date.UTC(2024, 0, 1);

/**
 * A file out of a picked folder. It holds no bytes, which nobody reads here: a browser takes twice
 * as long to make one that does, and the memory measured is to be an uploader's.
 */
class FolderFile extends File {
  override get webkitRelativePath(): string {
    return `Camera/${this.name.slice(4, 8)}/${this.name}`;
  }

  override get size(): number {
    return 1 + (this.lastModified % SIZES);
  }
}

/** Files of a camera's folders, none like another in path, name and modification time. */
export function syntheticFiles(count: number): File[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `IMG_${String(index).padStart(6, '0')}.jpg`;
    return new FolderFile([], name, { type: 'image/jpeg', lastModified: FIRST_MTIME_MS + index });
  });
}
