/**
 * A file, or a handle to a file or folder (File System Access, Chromium).
 *
 * @inline
 */
export type AddItem = File | FileSystemHandle;

/** What `add()` takes. A drop's DataTransfer and handles may hold whole folders. */
export type AddInput =
  | AddItem
  | Iterable<AddItem>
  | ArrayLike<File>
  | AsyncIterable<AddItem>
  | DataTransfer;

/** A file and where it stood in the folder that was added. */
export interface CollectedFile {
  readonly file: File;
  /** `/` between segments, no leading slash; the bare name outside of folders. */
  readonly path: string;
}

/** A file or folder that the browser listed but could not open. The others go on. */
export interface UnreadableEntry {
  readonly path: string;
  readonly error: unknown;
}

export type Collected = CollectedFile | UnreadableEntry;

/** A file or folder that was given as a whole, where the browser has a handle for it (Chromium). */
export interface FoundRoot {
  readonly handle: Promise<FileSystemHandle | null>;
}

/** Single files of which handles are kept: of more, nobody wants to be asked for each. */
const MAX_FILE_ROOTS = 100;

/** Files opened at once: each waits for the browser's other process (bench/intake). */
const OPENED_AHEAD = 32;

const isDataTransfer = (input: AddInput): input is DataTransfer =>
  typeof DataTransfer !== 'undefined' && input instanceof DataTransfer;

/**
 * All files of `input`, folders walked, as they are found: the caller uploads the first ones while
 * the rest is still being listed.
 *
 * A DataTransfer is read before the first `await`, because browsers empty it when the drop event's
 * handler returns.
 *
 * @param onRoot called with what was given, before its files are found
 */
export function collectFiles(
  input: AddInput,
  onRoot: (root: FoundRoot) => void = () => {},
): AsyncIterable<Collected> | Iterable<Collected> {
  if (isDataTransfer(input)) return walkDrop(input, onRoot);
  if (input instanceof File || isHandle(input)) return fromAsync([input], onRoot);
  if (Symbol.asyncIterator in input) return fromAsync(input, onRoot);
  const items = Symbol.iterator in input ? [...input] : Array.from(input);
  return items.some(isHandle) ? fromAsync(items, onRoot) : fromSync(items as File[]);
}

const isHandle = (value: object): value is FileSystemHandle => 'kind' in value && 'name' in value;

const withPath = (file: File): CollectedFile => ({
  file,
  path: (file.webkitRelativePath || file.name).normalize('NFC'),
});

function* fromSync(files: Iterable<File>): Iterable<CollectedFile> {
  for (const file of files) yield withPath(file);
}

async function* fromAsync(
  items: AsyncIterable<AddItem> | Iterable<AddItem>,
  onRoot: (root: FoundRoot) => void,
): AsyncIterable<Collected> {
  let files = 0;
  for await (const item of items) {
    if (item instanceof File) {
      yield withPath(item);
      continue;
    }
    if (item.kind === 'file') files += 1;
    if (item.kind === 'directory' || files <= MAX_FILE_ROOTS) {
      onRoot({ handle: Promise.resolve(item) });
    }
    yield* walkHandle(item, '');
  }
}

async function* walkHandle(handle: FileSystemHandle, parent: string): AsyncIterable<Collected> {
  const path = `${parent}${handle.name}`.normalize('NFC');
  try {
    if (handle.kind === 'file') {
      yield { file: await (handle as FileSystemFileHandle).getFile(), path };
      return;
    }
    for await (const child of (handle as FileSystemDirectoryHandle).values()) {
      yield* walkHandle(child, `${path}/`);
    }
  } catch (error) {
    yield { path, error };
  }
}

/** Not in the DOM's types yet. */
interface WithHandle {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

function walkDrop(drop: DataTransfer, onRoot: (root: FoundRoot) => void): AsyncIterable<Collected> {
  const roots: (FileSystemEntry | File)[] = [];
  let files = 0;
  for (const item of Array.from(drop.items)) {
    if (item.kind !== 'file') continue;
    const root = rootOf(item);
    if (!root) continue;
    roots.push(root);
    const isFolder = 'isDirectory' in root && root.isDirectory;
    if (!isFolder) files += 1;
    if (files > MAX_FILE_ROOTS && !isFolder) continue;
    const handle = (item as WithHandle).getAsFileSystemHandle?.();
    if (handle) onRoot({ handle });
  }
  return walkAll(roots);
}

/**
 * WebKit opens no entry of a file that a page made, though it gives the file. In Chromium a file's size is asked for
 * in the page's own time, so that there entries are opened ahead.
 */
function rootOf(item: DataTransferItem): FileSystemEntry | File | null {
  const entry = item.webkitGetAsEntry?.() ?? null;
  if (entry && (entry.isDirectory || 'getAsFileSystemHandle' in item)) return entry;
  return item.getAsFile() ?? entry;
}

/** In their order, though files are opened ahead. */
async function* walkAll(entries: readonly (FileSystemEntry | File)[]): AsyncIterable<Collected> {
  for (let first = 0; first < entries.length; first += OPENED_AHEAD) {
    const found = entries.slice(first, first + OPENED_AHEAD).map((entry) => {
      if (entry instanceof File) return withPath(entry);
      return entry.isFile ? openFile(entry as FileSystemFileEntry) : walkFolder(entry);
    });
    for (const item of found) {
      if (Symbol.asyncIterator in item) yield* item;
      else yield await item;
    }
  }
}

async function* walkFolder(folder: FileSystemEntry): AsyncIterable<Collected> {
  try {
    const reader = (folder as FileSystemDirectoryEntry).createReader();
    for (;;) {
      // Chromium lists at most 100 entries a call: ask until it gives none.
      const entries = await readEntries(reader);
      if (entries.length === 0) return;
      yield* walkAll(entries);
    }
  } catch (error) {
    yield { path: pathOf(folder), error };
  }
}

/** Never rejects: nobody waits yet for what is opened ahead. */
async function openFile(entry: FileSystemFileEntry): Promise<Collected> {
  const path = pathOf(entry);
  try {
    return { file: await fileOf(entry), path };
  } catch (error) {
    return { path, error };
  }
}

const pathOf = (entry: FileSystemEntry) => entry.fullPath.replace(/^\//, '').normalize('NFC');

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

function readEntries(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}
