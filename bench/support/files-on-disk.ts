import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const CACHE = path.join(import.meta.dirname, '../../node_modules/.cache/bulkhead-bench-files');

export interface FileSet {
  readonly name: string;
  readonly count: number;
  readonly sizeBytes: number;
}

export interface FilesOnDisk {
  /** In the order of their names: `00000.jpg`, `00001.jpg` … */
  readonly paths: readonly string[];
  /** Digest of all digests in the files' order: what every hasher must find. */
  readonly digest: string;
}

/** Makes the files once, none like another; later runs find them in the cache of `node_modules`. */
export async function filesOf({ name, count, sizeBytes }: FileSet): Promise<FilesOnDisk> {
  const dir = path.join(CACHE, `${name}-${count}`);
  const digestFile = path.join(dir, 'digest');
  const found = await readdir(dir).catch(() => [] as string[]);
  if (!found.includes('digest')) {
    const unfinished = `${dir}.${process.pid}`;
    await rm(dir, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true });
    await writeFile(path.join(unfinished, 'digest'), await write(unfinished, count, sizeBytes));
    await rename(unfinished, dir);
  }
  const names = (await readdir(dir)).filter((entry) => entry.endsWith('.jpg')).sort();
  return {
    paths: names.map((entry) => path.join(dir, entry)),
    digest: await readFile(digestFile, 'utf8'),
  };
}

async function write(dir: string, count: number, sizeBytes: number): Promise<string> {
  const content = randomBytes(sizeBytes);
  const digests: string[] = [];
  for (let index = 0; index < count; index += 1) {
    content.writeUInt32LE(index, 0);
    await writeFile(path.join(dir, `${String(index).padStart(5, '0')}.jpg`), content);
    digests.push(createHash('sha256').update(content).digest('hex'));
  }
  return createHash('sha256').update(digests.join()).digest('hex');
}
