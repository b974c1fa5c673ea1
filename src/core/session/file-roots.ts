import { UploadError } from '../../errors/upload-error.ts';
import type { Journal } from '../../storage/journal.ts';
import type { FileSource } from '../file-shelf.ts';
import type { Upload } from '../upload-state.ts';

/** A file or folder that a person gave, and what to call its files by. */
export interface FileRoot {
  readonly sessionId: string;
  readonly batchId: string;
  readonly handle: FileSystemHandle;
}

type Place = Pick<Upload, 'batchId' | 'path'>;

const isDirectory = (handle: FileSystemHandle): handle is FileSystemDirectoryHandle =>
  handle.kind === 'directory';

/**
 * The handles by which this page, or an earlier one, was given files (File System Access, Chromium). Files
 * are opened by their path when they are needed.
 */
export class FileRoots {
  readonly #journal: Journal;
  readonly #roots = new Map<string, FileRoot>();
  /** Keys of roots that may be read now. */
  readonly #readable = new Set<string>();
  /** Keys of roots that the browser did not ask about: they come first on the next click. */
  readonly #unasked = new Set<string>();
  /** Opened once: folders have many files. */
  readonly #folders = new Map<string, Promise<FileSystemDirectoryHandle>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Keeps a handle for the pages to come, where the browser can. */
  async keep(root: FileRoot): Promise<void> {
    const key = keyOf(root.batchId, root.handle.name);
    if (await this.#journal.keepHandle(root.sessionId, { key, handle: root.handle })) {
      this.#roots.set(key, root);
      this.#readable.add(key);
    }
  }

  /** Brings back what an earlier page was given. */
  async load(sessionId: string): Promise<void> {
    for (const { key, handle } of await this.#journal.handles(sessionId)) {
      const batchId = key.slice(0, key.indexOf('/'));
      this.#roots.set(key, { sessionId, batchId, handle });
      if ((await permissionOf(handle)) === 'granted') this.#readable.add(key);
    }
  }

  /** Forgets those of a session. */
  forget(sessionId: string): void {
    for (const [key, root] of this.#roots) {
      if (root.sessionId !== sessionId) continue;
      this.#roots.delete(key);
      this.#readable.delete(key);
    }
  }

  /** Those of a session that may be read now. */
  readable(sessionId: string): readonly FileRoot[] {
    return [...this.#roots]
      .filter(([key, root]) => root.sessionId === sessionId && this.#readable.has(key))
      .map(([, root]) => root);
  }

  /** Whether all of a session's may be read now. */
  areReadable(sessionId: string): boolean {
    return [...this.#roots].every(
      ([key, root]) => root.sessionId !== sessionId || this.#readable.has(key),
    );
  }

  /** The batches of a session that came by handles. */
  batchesOf(sessionId: string): readonly string[] {
    return [...this.#roots.values()]
      .filter((root) => root.sessionId === sessionId)
      .map(({ batchId }) => batchId);
  }

  /** Whether the file came by a handle: then a permission is all that it takes to read it. */
  has(place: Place): boolean {
    return this.#rootOf(place) !== undefined;
  }

  /**
   * Asks the person, one folder after another: one answer may be good for several, and then there is
   * nothing left to ask. On a click only.
   *
   * @returns whether every question was asked: false where the browser insisted on a click
   */
  async request(): Promise<boolean> {
    const isFirst = ([key]: [string, FileRoot]) => this.#unasked.has(key);
    const roots = [...this.#roots].sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)));
    this.#unasked.clear();
    for (const [key, { handle }] of roots) {
      let state: PermissionState | 'unasked' = await permissionOf(handle);
      if (state !== 'granted') state = await requestPermission(handle);
      if (state === 'granted') this.#readable.add(key);
      else this.#readable.delete(key);
      if (state === 'unasked') this.#unasked.add(key);
    }
    return this.#unasked.size === 0;
  }

  /** The permission of this file's folder has ended. */
  lost(place: Place): void {
    this.#readable.delete(keyIn(place));
  }

  /** @returns undefined for a file that came without a handle, or whose handle needs a permission */
  sourceOf(upload: Upload): FileSource | undefined {
    const root = this.#readable.has(keyIn(upload)) ? this.#rootOf(upload) : undefined;
    return root && (() => this.#open(root, upload));
  }

  #rootOf(place: Place): FileRoot | undefined {
    return this.#roots.get(keyIn(place));
  }

  async #open({ handle, batchId }: FileRoot, upload: Upload): Promise<File> {
    const names = upload.path.split('/').slice(1);
    const fileName = names.pop();
    if (!isDirectory(handle)) return checked(await fileOf(handle), upload);
    let path = keyOf(batchId, handle.name);
    let folder = handle;
    for (const name of names) {
      path = `${path}/${name}`;
      folder = await this.#folder(path, folder, name);
    }
    return checked(await fileOf(await folder.getFileHandle(fileName ?? '')), upload);
  }

  #folder(
    path: string,
    parent: FileSystemDirectoryHandle,
    name: string,
  ): Promise<FileSystemDirectoryHandle> {
    const known = this.#folders.get(path);
    if (known) return known;
    const opening = parent.getDirectoryHandle(name);
    this.#folders.set(path, opening);
    // The next one tries again.
    opening.catch(() => this.#folders.delete(path));
    return opening;
  }
}

/** As paths are written: composed. */
const keyOf = (batchId: string, name: string) => `${batchId}/${name.normalize('NFC')}`;

const keyIn = ({ batchId, path }: Place) => keyOf(batchId, path.split('/', 1)[0] ?? '');

const fileOf = (handle: FileSystemHandle): Promise<File> =>
  (handle as FileSystemFileHandle).getFile();

/** The file as it is now, if it is what it was. @throws UploadError `file_changed` */
function checked(file: File, { sizeBytes, lastModifiedMs }: Upload): File {
  if (file.size === sizeBytes && file.lastModified === lastModifiedMs) return file;
  throw new UploadError('file_changed', 'The file was changed since it was added.');
}

/** Not in the DOM's types yet; without them, as in other browsers, handles need no permission. */
interface WithPermission {
  queryPermission?(options: { mode: 'read' }): Promise<PermissionState>;
  requestPermission?(options: { mode: 'read' }): Promise<PermissionState>;
}

/** A handle whose folder is gone may be asked about all the same: reading will tell. */
async function permissionOf(handle: FileSystemHandle): Promise<PermissionState> {
  try {
    return (await (handle as WithPermission).queryPermission?.({ mode: 'read' })) ?? 'granted';
  } catch {
    return 'prompt';
  }
}

async function requestPermission(handle: FileSystemHandle): Promise<PermissionState | 'unasked'> {
  try {
    return (await (handle as WithPermission).requestPermission?.({ mode: 'read' })) ?? 'granted';
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause;
    // The folder may be gone: then the person can select it again.
    return cause.name === 'SecurityError' ? 'unasked' : 'denied';
  }
}
