/** The entry of a file as a drop lists it; an error is what opening it gives. */
export function fileEntry(fullPath: string, file: File | DOMException): unknown {
  return {
    isFile: true,
    isDirectory: false,
    fullPath,
    file: (resolve: (file: File) => void, reject: (error: DOMException) => void) =>
      file instanceof File ? resolve(file) : reject(file),
  };
}

/** Lists at most 100 entries a call, as Chromium does. */
export function folderEntry(
  fullPath: string,
  children: readonly unknown[] | DOMException,
): unknown {
  let at = 0;
  return {
    isFile: false,
    isDirectory: true,
    fullPath,
    createReader: () => ({
      readEntries(resolve: (entries: unknown[]) => void, reject: (error: DOMException) => void) {
        if (children instanceof DOMException) return reject(children);
        resolve(children.slice(at, at + 100));
        at += 100;
      },
    }),
  };
}

/** A DataTransfer with folders, which a page cannot make by itself. */
export function dropOf(entries: readonly unknown[]): DataTransfer {
  const drop = new DataTransfer();
  const items = entries.map((entry) => ({
    kind: 'file',
    webkitGetAsEntry: () => entry,
    getAsFile: () => null,
  }));
  Object.defineProperty(drop, 'items', { value: items });
  return drop;
}
