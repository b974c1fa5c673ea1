import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LOCK_FILE = 'bulkhead.lock';
const LOCK_NAME = /^bulkhead\.lock\.(\d{1,9})$/;

interface Holder {
  pid: number;
  /** When that process started, as its system tells it: a reused pid is another process. */
  startedAt: string | null;
  /** Tells two holds of one process apart. */
  token: string;
}

/** Another live process (or another open handle of this one) uses the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
  readonly dir: string;
  readonly pid: number;
  constructor(dir: string, pid: number) {
    super(
      `${dir} is in use by process ${pid}. Only one process may open an embedded database: stop ` +
        'that process, or give this one another directory.',
    );
    this.dir = dir;
    this.pid = pid;
  }
}

/**
 * Takes a directory for this process alone. PGlite itself does not lock its directory, and two
 * writers would destroy it. The lock of a process that died is taken over at once.
 *
 * A lock is a numbered file. Who finds only dead holders makes the next number, which one of many
 * can do; and then looks again, so that of two who hold different numbers the later one sees the
 * other and gives up. Nothing is ever taken from a live holder.
 * @returns what gives the directory back.
 * @throws {DirectoryLockedError} while a live process holds it.
 */
export async function lockDirectory(dir: string): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true });
  const mine: Holder = {
    pid: process.pid,
    startedAt: await processStartTime(process.pid),
    token: randomUUID(),
  };
  const draft = join(dir, `lock-draft-${mine.token}`);
  await writeFile(draft, JSON.stringify(mine));
  try {
    const path = await acquire(dir, draft, mine);
    return async () => {
      if ((await readHolder(path))?.token === mine.token) await rm(path, { force: true });
    };
  } finally {
    await rm(draft, { force: true });
  }
}

async function acquire(dir: string, draft: string, mine: Holder): Promise<string> {
  for (;;) {
    const before = await readLocks(dir);
    refuseLive(dir, before);
    const number = Math.max(0, ...before.map((lock) => lock.number)) + 1;
    const path = join(dir, `${LOCK_FILE}.${number}`);
    try {
      // link() fails when the name exists: whole content or nothing, unlike open(…, 'wx') + write.
      await link(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    const others = (await readLocks(dir)).filter((lock) => lock.holder?.token !== mine.token);
    try {
      refuseLive(dir, others);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    for (const lock of others) await rm(lock.path, { force: true });
    return path;
  }
}

interface Lock {
  path: string;
  number: number;
  /** Undefined for a file that no version of ours wrote. */
  holder: Holder | undefined;
  isLive: boolean;
}

function refuseLive(dir: string, locks: readonly Lock[]): void {
  const live = locks.find((lock) => lock.isLive);
  if (live) throw new DirectoryLockedError(dir, live.holder?.pid ?? 0);
}

async function readLocks(dir: string): Promise<Lock[]> {
  const locks: Lock[] = [];
  for (const name of await readdir(dir)) {
    const number = LOCK_NAME.exec(name)?.[1];
    if (number === undefined) continue;
    const path = join(dir, name);
    const holder = await readHolder(path);
    const isLive = holder !== undefined && (await isAlive(holder));
    locks.push({ path, number: Number(number), holder, isLive });
  }
  return locks;
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder> | null;
    if (typeof holder?.pid !== 'number' || typeof holder.token !== 'string') return undefined;
    return { pid: holder.pid, startedAt: holder.startedAt ?? null, token: holder.token };
  } catch {
    return undefined;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives, under another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (holder.startedAt === null) return true;
  const startedAt = await processStartTime(holder.pid);
  return startedAt === null || startedAt === holder.startedAt;
}

/** Linux: boot id and the kernel's start tick of the process. Elsewhere null: the pid must do. */
async function processStartTime(pid: number): Promise<string | null> {
  try {
    const [bootId, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // proc(5): field 22 is the start time; field 2, the name, may hold spaces and parentheses.
    const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return tick === undefined ? null : `${bootId.trim()}:${tick}`;
  } catch {
    return null;
  }
}
