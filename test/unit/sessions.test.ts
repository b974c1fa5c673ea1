import { describe, expect, it } from 'vitest';
import { isEnded } from '../../src/core/upload-state.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import { type BackendFaults, MemoryBackend } from '../support/memory-backend.ts';
import { MemoryBrowser, type MemoryPage } from '../support/memory-browser.ts';
import { textFiles } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const FILES = 20;
const PUT_MS = 400;

function createTabs(faults: BackendFaults = {}) {
  const runtime = new VirtualRuntime();
  const backend = new MemoryBackend(runtime, faults, { putLatencyMs: PUT_MS });
  const browser = new MemoryBrowser(runtime);
  const adapter = backend.adapter({ maxConcurrency: 3 });
  const open = (options: Parameters<MemoryBrowser['open']>[1] = {}) =>
    browser.open(adapter, options);
  const finish = async (page: MemoryPage) => {
    await runtime.advance(30 * 60_000, () =>
      [...page.uploader.uploads()].every(({ status }) => isEnded(status) || status === 'detached'),
    );
    await runtime.advance(3_000);
  };
  return {
    runtime,
    backend,
    browser,
    open,
    finish,
    /** A page that was killed when some files were stored and some were not. */
    async interrupted(options: Parameters<typeof open>[0] = {}) {
      const page = open(options);
      await page.uploader.add(textFiles(FILES));
      await runtime.advance(3 * PUT_MS);
      const { uploaded } = page.uploader.getSnapshot();
      expect(uploaded).toBeGreaterThan(0);
      expect(uploaded).toBeLessThan(FILES);
      page.kill();
      return { uploaded, read: page.read };
    },
    async settled<T>(promise: Promise<T>): Promise<T> {
      let isDone = false;
      const done = promise.finally(() => {
        isDone = true;
      });
      done.catch(() => {});
      await runtime.advance(60_000, () => isDone);
      return done;
    },
  };
}

const statuses = (page: MemoryPage) => {
  const { byStatus } = page.uploader.getSnapshot();
  return Object.fromEntries(Object.entries(byStatus).filter(([, count]) => count > 0));
};

describe('the list of sessions', () => {
  it('shows what was interrupted, and how much is left', async () => {
    const tabs = createTabs();
    const { uploaded } = await tabs.interrupted();
    const page = tabs.open();
    const [session, ...others] = await tabs.settled(page.uploader.sessions.refresh());
    expect(others).toEqual([]);
    expect(session).toMatchObject({ state: 'interrupted', total: FILES, failed: 0 });
    expect(session?.left).toBeGreaterThan(0);
    expect(session?.left).toBeLessThanOrEqual(FILES - uploaded);
    expect(page.uploader.getSnapshot().total).toBe(0);
  });

  it('has what a page wrote when it was hidden, and not only what it wrote in time', async () => {
    const tabs = createTabs();
    const first = tabs.open();
    await first.uploader.add(textFiles(FILES));
    await tabs.runtime.advance(1_000);
    await first.uploader.add([new File(['late'], 'late.jpg')]);
    // No timer runs any more: a hidden page may be ended at once.
    tabs.runtime.hide();
    await tabs.runtime.advance(0);
    first.kill();
    const page = tabs.open();
    const [session] = await tabs.settled(page.uploader.sessions.refresh());
    expect(session).toMatchObject({ state: 'interrupted', total: FILES + 1 });
    page.uploader.destroy();
    expect(tabs.runtime.hide()).toBe(0);
  });

  it('is empty when all is done, and tells subscribers', async () => {
    const tabs = createTabs();
    const page = tabs.open();
    const seen: number[] = [];
    page.uploader.sessions.subscribe(() => seen.push(page.uploader.sessions.getSnapshot().length));
    await page.uploader.add(textFiles(3));
    await tabs.finish(page);
    expect(seen).toContain(1);
    expect(seen.at(-1)).toBe(0);
    expect(await tabs.browser.journal.sessions('')).toEqual([]);
  });

  it('keeps users apart', async () => {
    const tabs = createTabs();
    await tabs.interrupted({ scope: 'ada' });
    const other = tabs.open({ scope: 'bob' });
    expect(await tabs.settled(other.uploader.sessions.refresh())).toEqual([]);
    const same = tabs.open({ scope: 'ada' });
    expect(await tabs.settled(same.uploader.sessions.refresh())).toHaveLength(1);
  });

  it('forgets a session that is discarded', async () => {
    const tabs = createTabs();
    await tabs.interrupted();
    const page = tabs.open();
    const [session] = await tabs.settled(page.uploader.sessions.refresh());
    await tabs.settled(page.uploader.sessions.discard(session?.id ?? ''));
    expect(page.uploader.sessions.getSnapshot()).toEqual([]);
    expect(await tabs.browser.journal.sessions('')).toEqual([]);
  });

  it('cancels what is left of this page’s own session when that is discarded', async () => {
    const tabs = createTabs();
    const page = tabs.open();
    await page.uploader.add(textFiles(FILES));
    await tabs.runtime.advance(2 * PUT_MS);
    const [session] = page.uploader.sessions.getSnapshot();
    expect(session?.state).toBe('here');
    await tabs.settled(page.uploader.sessions.discard(session?.id ?? ''));
    await tabs.finish(page);
    expect(statuses(page).cancelled).toBeGreaterThan(0);
    expect(await tabs.browser.journal.sessions('')).toEqual([]);
    expect(tabs.runtime.errors).toEqual([]);
  });

  it('says so when a session is gone, or another tab’s', async () => {
    const tabs = createTabs();
    const page = tabs.open();
    await expect(tabs.settled(page.uploader.sessions.resume('nobody'))).rejects.toMatchObject({
      name: 'SessionError',
      code: 'not_found',
    });
    const other = tabs.open();
    await other.uploader.add(textFiles(FILES));
    await tabs.runtime.advance(PUT_MS);
    const [session] = await tabs.settled(page.uploader.sessions.refresh());
    expect(session?.state).toBe('elsewhere');
    const id = session?.id ?? '';
    const busy = { name: 'SessionError', code: 'elsewhere' };
    await expect(tabs.settled(page.uploader.sessions.resume(id))).rejects.toMatchObject(busy);
    await expect(tabs.settled(page.uploader.sessions.discard(id))).rejects.toMatchObject(busy);
  });
});

describe('a resumed session', () => {
  it('waits for its files, and skips what is stored without reading it', async () => {
    const tabs = createTabs();
    const { uploaded, read } = await tabs.interrupted();
    const page = tabs.open();
    const [session] = await tabs.settled(page.uploader.sessions.refresh());
    const result = await tabs.settled(page.uploader.sessions.resume(session?.id ?? ''));
    expect(result.restored).toBe(FILES);
    expect(result.needsFile).toBe(result.left);
    expect(result.needsPermission).toBe(0);
    const before = page.uploader.getSnapshot();
    expect(before).toMatchObject({ total: FILES, needsFile: result.left });
    expect(before.uploaded).toBeGreaterThanOrEqual(uploaded);
    const again = await page.uploader.add(textFiles(FILES));
    expect(again).toMatchObject({ added: 0, refused: 0, repeated: FILES });
    await tabs.finish(page);
    expect(statuses(page)).toEqual({ searchable: FILES });
    // What an earlier page hashed is not read a second time to be hashed.
    expect(page.read.filter((name) => read.includes(name)).length).toBeLessThanOrEqual(4);
    expect(tabs.backend.library.size).toBe(FILES);
    expect(tabs.runtime.errors).toEqual([]);
  });

  it('is done when only uploads are left that wait for their files', async () => {
    const tabs = createTabs();
    await tabs.interrupted();
    const page = tabs.open({ resume: 'auto' });
    await tabs.runtime.advance(20_000);
    const snapshot = await tabs.settled(page.uploader.done());
    expect(snapshot.needsFile).toBeGreaterThan(0);
    expect(snapshot.state).toBe('idle');
    expect(snapshot.secondsLeft).toBeNull();
  });

  it('goes on by itself when that is wanted, as far as it can', async () => {
    const tabs = createTabs();
    await tabs.interrupted();
    const page = tabs.open({ resume: 'auto' });
    await tabs.runtime.advance(20_000);
    expect(page.uploader.getSnapshot().total).toBe(FILES);
    expect(page.uploader.sessions.getSnapshot()).toMatchObject([{ state: 'here' }]);
  });

  it('takes files that were picked for those of the folder that was dropped, by reading them', async () => {
    const tabs = createTabs();
    const inFolder = textFiles(FILES).map((file) => {
      Object.defineProperty(file, 'webkitRelativePath', { value: `holiday/${file.name}` });
      return file;
    });
    const first = tabs.open();
    await first.uploader.add(inFolder);
    await tabs.runtime.advance(2 * PUT_MS);
    first.kill();
    const page = tabs.open({ resume: 'auto' });
    await tabs.runtime.advance(20_000);
    const { needsFile } = page.uploader.getSnapshot();
    const { added, repeated } = await page.uploader.add(textFiles(FILES));
    // The stored ones lie at another place as far as anybody knows: they are found to be duplicates.
    expect([added, repeated]).toEqual([FILES - needsFile, needsFile]);
    await tabs.finish(page);
    expect(page.uploader.getSnapshot().needsFile).toBe(0);
    expect(tabs.backend.library.size).toBe(FILES);
    const paths = [...page.uploader.uploads()].map(({ path }) => path);
    expect(paths.filter((path) => path.startsWith('holiday/'))).toHaveLength(FILES);
  });

  it('reads a file anew that was changed meanwhile, and sends it as it is now', async () => {
    const tabs = createTabs();
    await tabs.interrupted();
    const page = tabs.open({ resume: 'auto' });
    await tabs.runtime.advance(20_000);
    const waiting = [...page.uploader.uploads()].filter(({ status }) => status === 'detached');
    const [name = ''] = waiting.map(({ path }) => path);
    const original = textFiles(FILES).find((file) => file.name === name);
    const text = `${(await original?.text())?.slice(0, -1)}!`;
    const changed = new File([text], name, { lastModified: 9_999_999 });
    expect(changed.size).toBe(original?.size);
    const others = textFiles(FILES).filter((file) => file.name !== name);
    expect(await page.uploader.add([changed, ...others])).toMatchObject({ added: 0 });
    await tabs.finish(page);
    expect(page.read).toContain(name);
    expect(statuses(page)).toEqual({ searchable: FILES });
    const texts = await Promise.all([...tabs.backend.bodies.values()].map((body) => body.text()));
    expect(texts).toContain(text);
  });

  it('brings back what failed for good, with what was tried, and retries it with its file', async () => {
    let isBroken = true;
    const tabs = createTabs({
      put: () => {
        if (isBroken) throw new UploadError('store_refused', 'no', { status: 400 });
      },
    });
    const first = tabs.open();
    await first.uploader.add(textFiles(2));
    await tabs.finish(first);
    expect(first.uploader.deadLetters.list()).toHaveLength(2);
    first.kill();
    isBroken = false;
    const page = tabs.open();
    const [session] = await tabs.settled(page.uploader.sessions.refresh());
    expect(session).toMatchObject({ left: 0, failed: 2 });
    await tabs.settled(page.uploader.sessions.resume(session?.id ?? ''));
    const [letter] = page.uploader.deadLetters.list();
    expect(letter).toMatchObject({ failure: { code: 'store_refused' }, canRedrive: true });
    expect(letter?.attempts.length).toBeGreaterThan(0);
    expect(page.uploader.retryAll()).toBe(2);
    await tabs.runtime.advance(1_000);
    expect(page.uploader.getSnapshot().needsFile).toBe(2);
    await page.uploader.add(textFiles(2));
    await tabs.finish(page);
    expect(statuses(page)).toEqual({ searchable: 2 });
    expect(await tabs.browser.journal.sessions('')).toEqual([]);
  });

  it('does not bring a file twice that was added before it was resumed', async () => {
    const tabs = createTabs();
    await tabs.interrupted();
    const page = tabs.open();
    await page.uploader.add(textFiles(FILES));
    const [session] = page.uploader.sessions
      .getSnapshot()
      .filter(({ state }) => state === 'interrupted');
    await tabs.settled(page.uploader.sessions.resume(session?.id ?? ''));
    await tabs.finish(page);
    expect(page.uploader.getSnapshot().needsFile).toBe(0);
    expect(tabs.backend.library.size).toBe(FILES);
    expect(await tabs.browser.journal.sessions('')).toEqual([]);
  });

  it('leaves damaged rows out and goes on with the others', async () => {
    const tabs = createTabs();
    await tabs.interrupted();
    const [record] = await tabs.browser.journal.sessions('');
    if (!record) throw new Error('There is no session');
    const entries = [
      { seq: 3, row: null },
      { seq: 4, row: [1, 'sent', 'x'] },
      { seq: 5, row: [99, 'queued'] },
    ];
    await tabs.browser.journal.write({ session: record, entries, durability: 'relaxed' });
    const page = tabs.open({ resume: 'auto' });
    await tabs.runtime.advance(20_000);
    expect(page.uploader.getSnapshot().total).toBe(FILES - 3);
    await page.uploader.add(textFiles(FILES));
    await tabs.finish(page);
    expect(tabs.backend.library.size).toBe(FILES);
    expect(page.uploader.getSnapshot().failed).toBe(0);
  });
});

describe('several tabs', () => {
  it('see one another’s progress, and one goes on when the other dies, with its files', async () => {
    const tabs = createTabs();
    const second = tabs.open();
    const first = tabs.open();
    await first.uploader.add(textFiles(FILES));
    await tabs.runtime.advance(2 * PUT_MS);
    const [mirrored] = second.uploader.sessions.getSnapshot();
    expect(mirrored).toMatchObject({ state: 'elsewhere', total: FILES });
    expect(mirrored?.progress?.total).toBe(FILES);
    expect(second.uploader.getSnapshot().total).toBe(0);
    first.kill();
    await tabs.runtime.advance(20_000);
    await tabs.finish(second);
    expect(statuses(second)).toEqual({ searchable: FILES });
    expect(tabs.backend.library.size).toBe(FILES);
    expect(tabs.runtime.errors).toEqual([]);
    expect(await tabs.browser.journal.sessions('')).toEqual([]);
  });

  it('three of them: one goes on, the other one watches', async () => {
    const tabs = createTabs();
    const watchers = [tabs.open(), tabs.open()];
    const first = tabs.open();
    await first.uploader.add(textFiles(FILES));
    await tabs.runtime.advance(2 * PUT_MS);
    first.kill();
    await tabs.runtime.advance(1_000);
    const totals = watchers.map(({ uploader }) => uploader.getSnapshot().total);
    expect(totals.toSorted()).toEqual([0, FILES]);
    await tabs.runtime.advance(60_000);
    expect(tabs.backend.library.size).toBe(FILES);
    expect(tabs.runtime.errors).toEqual([]);
  });

  it('a tab that a person paused is not taken over, but listed', async () => {
    const tabs = createTabs();
    const second = tabs.open();
    const first = tabs.open();
    await first.uploader.add(textFiles(FILES));
    await tabs.runtime.advance(PUT_MS);
    first.uploader.pause();
    await tabs.runtime.advance(2_000);
    first.kill();
    await tabs.runtime.advance(2_000);
    expect(second.uploader.getSnapshot().total).toBe(0);
    expect(second.uploader.sessions.getSnapshot()).toMatchObject([{ state: 'interrupted' }]);
  });

  it('a session that is finished elsewhere disappears here', async () => {
    const tabs = createTabs();
    const second = tabs.open();
    const first = tabs.open();
    await first.uploader.add(textFiles(3));
    await tabs.runtime.advance(PUT_MS);
    expect(second.uploader.sessions.getSnapshot()).toHaveLength(1);
    await tabs.finish(first);
    expect(second.uploader.sessions.getSnapshot()).toEqual([]);
  });
});

describe('checksums of files that were hashed before', () => {
  it('are remembered over sessions: the same folder added again is not read', async () => {
    const tabs = createTabs();
    const first = tabs.open();
    await first.uploader.add(textFiles(FILES));
    await tabs.finish(first);
    first.uploader.destroy();
    const page = tabs.open();
    await page.uploader.add(textFiles(FILES));
    await tabs.finish(page);
    expect(page.read).toEqual([]);
    expect(statuses(page)).toEqual({ duplicate: FILES });
  });

  it('that turn out to be wrong are computed, and cost the file nothing', async () => {
    const tabs = createTabs();
    const [file] = textFiles(1);
    if (!file) throw new Error('There is no file');
    const fingerprint = `\n${file.name}\n${file.size}\n${file.lastModified}`;
    const [record] = [
      {
        ...{ id: 'old', scope: '', createdMs: 0, updatedMs: 0 },
        summary: { total: 0, totalBytes: 0, left: 0, leftBytes: 0, failed: 0, isComplete: true },
      },
    ];
    const checksums = [{ fingerprint, checksum: 'a'.repeat(64), usedMs: 1 }];
    if (!record) throw new Error('There is no record');
    await tabs.browser.journal.write({ session: record, checksums, durability: 'relaxed' });
    tabs.backend.faults.put = (key) => {
      const reservation = [...tabs.backend.reservations.values()].find(
        ({ assetId }) => assetId === key,
      );
      if (reservation?.checksum.startsWith('aaaa')) {
        throw new UploadError('checksum_mismatch', 'other bytes', { status: 400 });
      }
    };
    // Another checksum is another promise, as the real adapter makes it.
    const adapter = tabs.backend.adapter();
    const page = tabs.browser.open({
      ...adapter,
      credentials: (files, signal) =>
        adapter.credentials(
          files.map((one) => ({ ...one, id: `${one.id}-${one.checksum.slice(0, 12)}` })),
          signal,
        ),
    });
    await page.uploader.add([file]);
    await tabs.finish(page);
    expect(page.read).toEqual([file.name]);
    expect(statuses(page)).toEqual({ searchable: 1 });
    expect((await tabs.browser.journal.checksums([fingerprint]))[0]).not.toBe('a'.repeat(64));
  });
});

describe('safe copies', () => {
  it('bring files back that the browser forgot, within their budget', async () => {
    const tabs = createTabs();
    const [one] = textFiles(1);
    const maxBytes = 8 * (one?.size ?? 0);
    const before = await tabs.interrupted({ safeCopies: { maxBytes } });
    const page = tabs.open({ resume: 'auto' });
    await tabs.runtime.advance(60_000);
    const { needsFile, uploaded } = page.uploader.getSnapshot();
    expect(needsFile).toBeGreaterThan(0);
    expect(uploaded + needsFile).toBe(FILES);
    expect(uploaded).toBeGreaterThan(before.uploaded);
    await page.uploader.add(textFiles(FILES));
    await tabs.finish(page);
    expect(statuses(page)).toEqual({ searchable: FILES });
    const [record] = await tabs.browser.journal.sessions('');
    expect(record).toBeUndefined();
  });

  it('stop when there is no room, with one event, and no upload fails', async () => {
    const tabs = createTabs();
    tabs.browser.journal.keepCopy = async () => {
      throw new DOMException('full', 'QuotaExceededError');
    };
    const page = tabs.open({ safeCopies: { maxBytes: 1_000 } });
    let events = 0;
    page.uploader.on('safe-copies-stopped', () => {
      events += 1;
    });
    await page.uploader.add(textFiles(FILES));
    await tabs.finish(page);
    expect(events).toBe(1);
    expect(statuses(page)).toEqual({ searchable: FILES });
  });
});

describe('a file that changed', () => {
  it('fails as changed, and takes the place of its dead letter when it is added again', async () => {
    const tabs = createTabs({
      put: (_key, attempt) => {
        if (attempt === 1) throw new UploadError('checksum_mismatch', 'no', { status: 400 });
      },
    });
    const page = tabs.open({ storage: false });
    await page.uploader.add(textFiles(1));
    await tabs.finish(page);
    expect(page.uploader.failures()).toMatchObject([{ failure: { code: 'file_changed' } }]);
    const changed = new File(['other bytes'], 'photo-0.jpg', { lastModified: 77 });
    tabs.backend.faults.put = () => {};
    expect(await page.uploader.add([changed])).toMatchObject({ added: 1 });
    await tabs.finish(page);
    expect(statuses(page)).toEqual({ searchable: 1 });
    expect(page.uploader.deadLetters.list()).toEqual([]);
  });
});
