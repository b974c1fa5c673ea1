import { createHash, randomUUID } from 'node:crypto';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { BlobNotFoundError } from './blob-store.ts';
import { isKey } from './keys.ts';

/** What stands beside each object, so that `head` need not read the object again. */
export interface ObjectMeta {
  sizeBytes: number;
  checksum: string;
  contentType: string;
}

const TEMP_DIR = 'tmp';
const META_SUFFIX = '.meta';

/**
 * Objects as files: `<dir>/<key>` and `<dir>/<key>.meta`. An object appears whole or not at all:
 * everything is written under `<dir>/tmp` and then linked or renamed into place, its metadata
 * first.
 */
export class ObjectFiles {
  readonly #dir: string;
  readonly #tempDir: string;
  readonly #madeDirs = new Set<string>();

  constructor(dir: string) {
    this.#dir = resolve(dir);
    this.#tempDir = join(this.#dir, TEMP_DIR);
  }

  /** Makes the directories, and removes what a crashed process left half written. */
  async open(): Promise<void> {
    await mkdir(this.#tempDir, { recursive: true });
    for (const name of await readdir(this.#tempDir)) {
      if (isLeftOver(name)) await rm(join(this.#tempDir, name), { force: true });
    }
  }

  /** A name for a file that is being written. */
  tempPath(): string {
    return join(this.#tempDir, `${process.pid}-${randomUUID()}`);
  }

  exists(key: string): Promise<boolean> {
    return isThere(this.#path(key));
  }

  /**
   * Gives a finished temporary file its place; the temporary name goes in any case.
   * @returns false when the key was taken already: what was there stays.
   */
  async create(key: string, temp: string, meta: ObjectMeta): Promise<boolean> {
    const path = this.#path(key);
    try {
      await this.#makeDirOf(path);
      await this.#provideMeta(path, meta);
      await link(temp, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await unlink(temp).catch(() => {});
    }
  }

  /**
   * Metadata without its object is what a crash has left, or a PUT of the same promise that runs at
   * the same time: it is replaced whole, never written into. Metadata with its object stands.
   */
  async #provideMeta(path: string, meta: ObjectMeta): Promise<void> {
    const metaPath = `${path}${META_SUFFIX}`;
    const text = JSON.stringify(meta);
    try {
      await writeFile(metaPath, text, { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (await isThere(path)) return;
    const temp = this.tempPath();
    await writeFile(temp, text);
    await rename(temp, metaPath);
  }

  async replace(key: string, bytes: Uint8Array, contentType: string): Promise<void> {
    const path = this.#path(key);
    const temp = this.tempPath();
    const metaTemp = `${temp}${META_SUFFIX}`;
    const checksum = createHash('sha256').update(bytes).digest('hex');
    const meta: ObjectMeta = { sizeBytes: bytes.byteLength, checksum, contentType };
    await this.#makeDirOf(path);
    try {
      await writeFile(temp, bytes);
      await writeFile(metaTemp, JSON.stringify(meta));
      await rename(metaTemp, `${path}${META_SUFFIX}`);
      await rename(temp, path);
    } catch (error) {
      await rm(temp, { force: true });
      await rm(metaTemp, { force: true });
      throw error;
    }
  }

  async meta(key: string): Promise<ObjectMeta | undefined> {
    const path = this.#path(key);
    try {
      const [{ size }, text] = await Promise.all([
        stat(path),
        readFile(`${path}${META_SUFFIX}`, 'utf8'),
      ]);
      const meta = JSON.parse(text) as ObjectMeta;
      // The file itself is asked for its size: metadata could only say what it was.
      return { ...meta, sizeBytes: size };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async readStart(key: string, lengthBytes: number): Promise<Uint8Array> {
    const file = await this.#open(key);
    try {
      const buffer = Buffer.allocUnsafe(lengthBytes);
      let filled = 0;
      while (filled < lengthBytes) {
        const { bytesRead } = await file.read(buffer, filled, lengthBytes - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    } finally {
      await file.close();
    }
  }

  async read(key: string): Promise<Readable> {
    const file = await this.#open(key);
    return file.createReadStream();
  }

  async readAll(key: string): Promise<Uint8Array> {
    try {
      return await readFile(this.#path(key));
    } catch (error) {
      if (isMissing(error)) throw new BlobNotFoundError(key);
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    // The object first: metadata without an object is nothing, the reverse would be an object
    // that head cannot describe.
    await rm(path, { force: true });
    await rm(`${path}${META_SUFFIX}`, { force: true });
  }

  async #open(key: string): Promise<FileHandle> {
    try {
      return await open(this.#path(key), 'r');
    } catch (error) {
      if (isMissing(error)) throw new BlobNotFoundError(key);
      throw error;
    }
  }

  #path(key: string): string {
    const path = join(this.#dir, key);
    if (!isKey(key) || !path.startsWith(this.#dir + sep)) throw new InvalidKeyError(key);
    return path;
  }

  async #makeDirOf(path: string): Promise<void> {
    const dir = dirname(path);
    if (this.#madeDirs.has(dir)) return;
    await mkdir(dir, { recursive: true });
    this.#madeDirs.add(dir);
  }
}

/** A key that this server does not make. */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
  constructor(key: string) {
    super(`Not a key of this store: ${JSON.stringify(key.slice(0, 100))}`);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Written by a process that is gone, or by an earlier one that had our pid. */
function isLeftOver(name: string): boolean {
  const pid = Number.parseInt(name, 10);
  if (!Number.isInteger(pid) || pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}
