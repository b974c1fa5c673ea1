import { afterAll, describe, expect, it } from 'vitest';
import { isEnded } from '../../src/core/upload-state.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import type { Journal } from '../../src/storage/journal.ts';
import { type BackendFaults, MemoryBackend } from '../support/memory-backend.ts';
import { MemoryBrowser, type MemoryPage } from '../support/memory-browser.ts';
import { textFiles } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const FILES = 20;
const PUT_MS = 400;
/** Amid uploading, with files in every state. */
const MIDWAY_MS = 3 * PUT_MS;

const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);
process.on('unhandledRejection', note);
afterAll(() => void process.off('unhandledRejection', note));

function createTabs(faults: BackendFaults = {}, finalizeLatencyMs = 0) {
  const runtime = new VirtualRuntime();
  const backend = new MemoryBackend(runtime, faults, {
    putLatencyMs: PUT_MS,
    ...(finalizeLatencyMs > 0 && { finalizeLatencyMs }),
  });
  const browser = new MemoryBrowser(runtime);
  const adapter = backend.adapter({ maxConcurrency: 3 });
  const finish = async ({ uploader }: MemoryPage) => {
    const isOver = () =>
      [...uploader.uploads()].every(({ status }) => isEnded(status) || status === 'detached');
    await runtime.advance(30 * 60_000, isOver);
    await runtime.advance(3_000);
  };
  /** What a promise comes to, while time goes on. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const watched = promise.finally(() => {
      isSettled = true;
    });
    watched.catch(() => {});
    await runtime.advance(60_000, () => isSettled);
    return watched;
  };
  const begin = async (files: File[], forMs = MIDWAY_MS) => {
    const page = browser.open(adapter);
    void page.uploader.add(files);
    await runtime.advance(forMs);
    page.kill();
  };
  return {
    ...{ runtime, backend, browser, finish, settled, begin },
    open: (options: Parameters<MemoryBrowser['open']>[1] = {}) => browser.open(adapter, options),
    puts: () => backend.requests.filter(({ route }) => route === 'put').length,
    kept: () => browser.journal.sessions(''),
  };
}

type Method = {
  [K in keyof Journal]: Journal[K] extends (...args: never[]) => Promise<unknown> ? K : never;
}[keyof Journal];

/** Answers of the journal take as long as real ones, or never come. */
function delay(browser: MemoryBrowser, name: Method, waitMs: (call: number) => number): void {
  const journal = browser.journal as unknown as Record<string, (...args: unknown[]) => unknown>;
  const method = journal[name]?.bind(browser.journal);
  let calls = 0;
  journal[name] = async (...args: unknown[]) => {
    calls += 1;
    await browser.runtime.sleep(waitMs(calls));
    return method?.(...args);
  };
}

const other = () => new File(['other'], 'other.jpg', { lastModified: 5 });
const first = <T>(list: readonly T[]): T => {
  const [item] = list;
  if (item === undefined) throw new Error('There is none');
  return item;
};

function statuses({ uploader }: MemoryPage): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of uploader.uploads()) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

interface Folder {
  permission: PermissionState;
  listings: number;
  readonly handle: FileSystemHandle;
}

/** A folder by its handle; its first listing may stop for ever before a file. */
function folderOf(files: readonly File[], stopsBefore?: number): Folder {
  const child = (file: File) => ({ kind: 'file', name: file.name, getFile: async () => file });
  const folder: Folder = { permission: 'granted', listings: 0, handle: {} as FileSystemHandle };
  Object.assign(folder.handle, {
    kind: 'directory',
    name: 'album',
    queryPermission: async () => folder.permission,
    requestPermission: async () => {
      folder.permission = 'granted';
      return folder.permission;
    },
    async getFileHandle(name: string) {
      return child(first(files.filter((file) => file.name === name)));
    },
    async *values() {
      folder.listings += 1;
      const isFirst = folder.listings === 1;
      for (const [at, file] of files.entries()) {
        if (isFirst && at === stopsBefore) await new Promise(() => {});
        yield child(file);
      }
    },
  });
  return folder;
}

/** A listing that the page does not live to see the end of. */
async function* unending(files: readonly File[]): AsyncGenerator<File> {
  yield* files;
  await new Promise(() => {});
}

describe('a session that is being read back', () => {
  it('outlives files that are added meanwhile', async () => {
    const { browser, runtime, open, begin, kept } = createTabs();
    await begin(textFiles(FILES));
    const { id } = first(await kept());
    delay(browser, 'handles', () => 20);
    const page = open({ resume: 'auto' });
    await runtime.advance(10);
    await page.uploader.add([other()]);
    await runtime.advance(60_000);
    expect((await kept()).map((session) => session.id)).toEqual([id]);
    expect(page.uploader.getSnapshot().total).toBe(FILES + 1);
  });

  it('outlives another one that is resumed at the same time', async () => {
    const { browser, runtime, open, begin, kept } = createTabs();
    await begin(textFiles(FILES).slice(0, 10), 500);
    await begin(textFiles(FILES).slice(10), 500);
    const page = open();
    await runtime.advance(10);
    delay(browser, 'handles', (call) => (call === 1 ? 1 : 100));
    for (const { id } of page.uploader.sessions.getSnapshot()) {
      void page.uploader.sessions.resume(id);
    }
    await runtime.advance(60_000);
    expect(page.uploader.getSnapshot().total).toBe(FILES);
    expect(await kept()).toHaveLength(2);
  });

  it('outlives an empty selection', async () => {
    const { browser, runtime, open, begin, kept } = createTabs();
    await begin(textFiles(FILES));
    const { entries } = browser.journal;
    browser.journal.entries = async function* (id) {
      for await (const page of entries.call(this, id)) {
        for (const entry of page) {
          yield [entry];
          await runtime.sleep(30);
        }
      }
    };
    const page = open({ resume: 'auto' });
    await runtime.advance(50);
    await page.uploader.add([]);
    await runtime.advance(60_000);
    expect(page.uploader.getSnapshot().total).toBe(FILES);
    expect(await kept()).toHaveLength(1);
  });

  it('outlives a failure, and can be resumed again', async () => {
    const { browser, runtime, open, begin, kept, settled } = createTabs();
    await begin(textFiles(FILES));
    const { handles } = browser.journal;
    browser.journal.handles = async () => {
      throw new DOMException('gone', 'NotFoundError');
    };
    const page = open();
    await runtime.advance(100);
    const { id } = first(page.uploader.sessions.getSnapshot());
    await expect(settled(page.uploader.sessions.resume(id))).rejects.toThrow('gone');
    await runtime.advance(100);
    expect(await kept()).toHaveLength(1);
    browser.journal.handles = handles;
    const { restored } = await settled(page.uploader.sessions.resume(id));
    expect(restored).toBe(FILES);
  });

  it('is one, however often it is asked for', async () => {
    const { runtime, open, begin, settled } = createTabs();
    await begin(textFiles(FILES));
    const page = open();
    await runtime.advance(100);
    const { id } = first(page.uploader.sessions.getSnapshot());
    const twice = [page.uploader.sessions.resume(id), page.uploader.sessions.resume(id)];
    const [one, two] = await Promise.all(twice.map(settled));
    expect(one?.restored).toBe(FILES);
    expect(two).toEqual(one);
  });

  it('lists each file once, though files were added before', async () => {
    const { open, begin, settled, finish, puts } = createTabs();
    await begin(textFiles(FILES));
    const page = open();
    await page.uploader.add(textFiles(FILES));
    const sessions = page.uploader.sessions.getSnapshot();
    const { id } = first(sessions.filter(({ state }) => state === 'interrupted'));
    await settled(page.uploader.sessions.resume(id));
    await finish(page);
    expect(statuses(page)).toEqual({ searchable: FILES });
    // Three were under way when the first page died.
    expect(puts()).toBeLessThanOrEqual(FILES + 3);
  });

  it('keeps to the backoff of each upload', async () => {
    const { runtime, open } = createTabs();
    const failing = {
      hash: async () => {
        throw new UploadError('hashing_failed', 'broken');
      },
    };
    const heir = open({ hasher: failing });
    const owner = open({ hasher: { hash: () => new Promise<string>(() => {}) } });
    await owner.uploader.add(textFiles(FILES));
    await runtime.advance(700);
    const notBefore = new Map<string, number>();
    let early = 0;
    heir.uploader.on('upload-retried', ({ id, delayMs }) => {
      notBefore.set(id, runtime.now() + delayMs);
    });
    heir.uploader.on('upload-changed', ({ upload: { id, status } }) => {
      if (status === 'hashing' && (notBefore.get(id) ?? 0) > runtime.now()) early += 1;
    });
    owner.kill();
    await runtime.advance(60_000);
    expect(notBefore.size).toBe(FILES);
    expect(early).toBe(0);
  });

  it('sends bytes that are stored, but not acknowledged, to no second place', async () => {
    const { runtime, open, puts } = createTabs({}, 3_000);
    open();
    const owner = open();
    await owner.uploader.add([
      new File(['same'], 'a.jpg', { lastModified: 1 }),
      new File(['same'], 'b.jpg', { lastModified: 2 }),
    ]);
    const isFinalizing = () =>
      [...owner.uploader.uploads()].some(({ status }) => status === 'finalizing');
    await runtime.advance(10_000, isFinalizing);
    await runtime.advance(500);
    owner.kill();
    await runtime.advance(30_000);
    expect(puts()).toBe(1);
  });
});

describe('rows that this version cannot read', () => {
  const session = (total: number) => ({
    ...{ id: 's', scope: '', createdMs: 0, updatedMs: 0 },
    summary: {
      total,
      totalBytes: total,
      left: total,
      leftBytes: total,
      failed: 0,
      isComplete: true,
    },
  });

  it('are kept for the version that can, and said', async () => {
    const { browser, runtime, open, kept, settled, finish } = createTabs();
    const rows = [0, 1, 2].map((seq) => ({ seq, row: [2, 'hashed', `id-${seq}`] }));
    await browser.journal.write({ session: session(3), entries: rows, durability: 'relaxed' });
    const page = open();
    await runtime.advance(100);
    const result = await settled(page.uploader.sessions.resume('s'));
    expect(result).toMatchObject({ restored: 0, unreadable: 3 });
    await page.uploader.add(textFiles(2));
    await finish(page);
    await runtime.advance(10_000);
    expect(await kept()).toHaveLength(1);
    const left: unknown[] = [];
    for await (const page of browser.journal.entries('s')) left.push(...page);
    expect(left).toEqual(expect.arrayContaining(rows));
  });

  it('are counted where they are damaged, and then gone', async () => {
    const { browser, runtime, open, kept, settled } = createTabs();
    const rows = [undefined, 'row', [1, 'sent']].map((row, seq) => ({ seq, row }));
    await browser.journal.write({ session: session(3), entries: rows, durability: 'relaxed' });
    const page = open();
    await runtime.advance(100);
    expect(await settled(page.uploader.sessions.resume('s'))).toMatchObject({ unreadable: 3 });
    await runtime.advance(10_000);
    expect(await kept()).toEqual([]);
  });
});

describe('a folder that was half listed', () => {
  it('is listed to its end, whatever else was added before', async () => {
    const { runtime, open, settled, finish } = createTabs();
    const folder = folderOf(textFiles(FILES), 8);
    const before = open();
    void before.uploader.add(folder.handle);
    await runtime.advance(700);
    before.kill();
    folder.permission = 'prompt';
    const page = open({ resume: 'auto' });
    await runtime.advance(20_000);
    expect(page.uploader.getSnapshot().needsPermission).toBeGreaterThan(0);
    await settled(page.uploader.add([other()]));
    await settled(page.uploader.sessions.requestPermission());
    await runtime.advance(60_000);
    await finish(page);
    expect(statuses(page)).toEqual({ searchable: FILES + 1 });
    expect(page.uploader.sessions.getSnapshot()).toEqual([]);
  });

  it('that the browser would not ask about is no folder that the person refused', async () => {
    const { runtime, open, settled, finish } = createTabs();
    const folder = folderOf(textFiles(FILES));
    const before = open();
    void before.uploader.add(folder.handle);
    await runtime.advance(700);
    before.kill();
    folder.permission = 'prompt';
    const page = open({ resume: 'auto' });
    await runtime.advance(20_000);
    const { needsPermission } = page.uploader.getSnapshot();
    expect(needsPermission).toBeGreaterThan(0);
    const handle = folder.handle as unknown as Record<string, unknown>;
    const { requestPermission } = handle;
    handle.requestPermission = () =>
      Promise.reject(new DOMException('User activation is required', 'SecurityError'));
    const asking = settled(page.uploader.sessions.requestPermission());
    await expect(asking).rejects.toMatchObject({ name: 'SessionError', code: 'needs_click' });
    expect(page.uploader.getSnapshot().needsPermission).toBe(needsPermission);
    handle.requestPermission = requestPermission;
    expect(await settled(page.uploader.sessions.requestPermission())).toBe(needsPermission);
    await finish(page);
    expect(statuses(page)).toEqual({ searchable: FILES });
  });

  it('is complete when it is selected again, in each session that has a part of it', async () => {
    const { runtime, open, settled, finish, kept } = createTabs();
    const files = textFiles(FILES);
    for (const part of [files.slice(0, 10), files.slice(10)]) {
      const page = open();
      void page.uploader.add(unending(part));
      await runtime.advance(700);
      page.kill();
    }
    expect((await kept()).map(({ summary }) => summary.isComplete)).toEqual([false, false]);
    const page = open({ resume: 'auto' });
    await runtime.advance(20_000);
    await settled(page.uploader.add(textFiles(FILES)));
    await finish(page);
    expect(statuses(page)).toEqual({ searchable: FILES });
    expect(await kept()).toEqual([]);
  });

  it('brings back nothing that was cancelled', async () => {
    const { runtime, open, settled } = createTabs();
    const folder = folderOf(textFiles(FILES), 8);
    const page = open();
    void page.uploader.add(folder.handle);
    await runtime.advance(50);
    const ids = [...page.uploader.uploads()].slice(3).map(({ id }) => id);
    expect(ids).toHaveLength(5);
    for (const id of ids) page.uploader.abort({ id });
    await settled(page.uploader.sessions.requestPermission());
    await runtime.advance(30_000);
    expect(ids.map((id) => page.uploader.get(id)?.status)).toEqual(ids.map(() => 'cancelled'));
  });
});

describe('the list of sessions', () => {
  const finished = {
    ...{ id: 's', scope: '', createdMs: 0, updatedMs: 0 },
    summary: { total: 3, totalBytes: 3, left: 0, leftBytes: 0, failed: 0, isComplete: true },
  };

  it('clears what is finished, though two look at the same time', async () => {
    const { browser, runtime, open, settled, kept } = createTabs();
    await browser.journal.write({ session: finished, durability: 'relaxed' });
    const page = open();
    open();
    await settled(page.uploader.sessions.refresh());
    await runtime.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(uncaught).toEqual([]);
    expect(await kept()).toEqual([]);
  });

  it('does not clear what somebody went on with meanwhile', async () => {
    const { browser, runtime, open, kept } = createTabs();
    await browser.journal.write({ session: finished, durability: 'relaxed' });
    const { sessions } = browser.journal;
    let calls = 0;
    browser.journal.sessions = async (scope) => {
      const records = await sessions.call(browser.journal, scope);
      calls += 1;
      const summary = { ...finished.summary, total: 4, left: 1 };
      if (calls === 1) {
        const session = { ...finished, summary };
        await browser.journal.write({ session, durability: 'relaxed' });
      }
      return records;
    };
    open();
    await runtime.advance(1_000);
    expect(await kept()).toHaveLength(1);
  });

  it('waits to be asked for what an earlier uploader of this page left', async () => {
    const { browser, runtime, open } = createTabs();
    delay(browser, 'write', () => 30);
    const before = open();
    await before.uploader.add(textFiles(FILES));
    await runtime.advance(MIDWAY_MS);
    before.uploader.destroy();
    const page = open({ resume: 'ask' });
    await runtime.advance(5_000);
    const states = page.uploader.sessions.getSnapshot().map(({ state }) => state);
    expect(states).toEqual(['interrupted']);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7])(
    'has no ghost of what was discarded amid a write, %i',
    async (at) => {
      const { browser, runtime, open, settled, kept } = createTabs();
      delay(browser, 'write', () => 60);
      const page = open();
      await page.uploader.add(textFiles(FILES));
      await runtime.advance(400 + at * 30);
      const { id } = first(page.uploader.sessions.getSnapshot());
      await settled(page.uploader.sessions.discard(id));
      await runtime.advance(5_000);
      expect(page.uploader.sessions.getSnapshot()).toEqual([]);
      expect(await kept()).toEqual([]);
    },
  );

  it('has nothing of which all was cancelled', async () => {
    const { runtime, open, begin } = createTabs();
    await begin(textFiles(FILES));
    const page = open({ resume: 'auto' });
    await runtime.advance(60_000);
    page.uploader.abort();
    await runtime.advance(60_000);
    expect(page.uploader.sessions.getSnapshot()).toEqual([]);
  });

  it('has nothing of which the last dead letter was cleared', async () => {
    const { runtime, open, finish } = createTabs({
      put: () => {
        throw new UploadError('file_changed', 'no');
      },
    });
    const page = open();
    await page.uploader.add(textFiles(2));
    await finish(page);
    expect(page.uploader.sessions.getSnapshot()).toHaveLength(1);
    page.uploader.deadLetters.clear('all');
    await runtime.advance(10_000);
    expect(page.uploader.sessions.getSnapshot()).toEqual([]);
  });

  it('tells other tabs of each session by itself', async () => {
    const { runtime, open, begin, settled } = createTabs();
    await begin(textFiles(10), 500);
    const owner = open();
    const watcher = open();
    await owner.uploader.add([other()]);
    const interrupted = ({ state }: { state: string }) => state === 'interrupted';
    const { id } = first(owner.uploader.sessions.getSnapshot().filter(interrupted));
    await settled(owner.uploader.sessions.resume(id));
    await runtime.advance(2_000);
    const seen = watcher.uploader.sessions.getSnapshot().find((session) => session.id === id);
    const own = owner.uploader.sessions.getSnapshot().find((session) => session.id === id);
    expect(seen).toMatchObject({ state: 'elsewhere', total: 10, left: own?.left });
  });

  it('lets nobody discard what another user left', async () => {
    const { browser, runtime, open, settled } = createTabs();
    const ada = open({ scope: 'ada' });
    await ada.uploader.add(textFiles(5));
    await runtime.advance(500);
    ada.kill();
    const { id } = first(await browser.journal.sessions('ada'));
    const bob = open({ scope: 'bob' });
    await expect(settled(bob.uploader.sessions.discard(id))).rejects.toThrow();
    expect(await browser.journal.sessions('ada')).toHaveLength(1);
  });
});

it('two sessions of a tab that died are gone on with, both whole', async () => {
  const { browser, runtime, open, begin } = createTabs();
  await begin(textFiles(FILES).slice(0, 10), 500);
  await begin(textFiles(FILES).slice(10), 500);
  const owner = open({ resume: 'auto' });
  await runtime.advance(2_000);
  const watcher = open();
  await runtime.advance(2_000);
  delay(browser, 'handles', (call) => (call === 1 ? 1 : 200));
  owner.kill();
  await runtime.advance(60_000);
  expect(watcher.uploader.getSnapshot().total).toBe(FILES);
});
