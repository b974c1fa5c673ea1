import { describe, expect, it } from 'vitest';
import { STANDS } from '../../src/core/session/stored-row.ts';
import { isEnded, isStored } from '../../src/core/upload-state.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import { MemoryBackend, type MemoryRequest } from '../support/memory-backend.ts';
import { MemoryBrowser } from '../support/memory-browser.ts';
import { textFiles } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

const FILES = 14;
/** Two of them are equal: one of these is a duplicate. */
const files = () => textFiles(FILES, (index) => `photo ${index === 9 ? 3 : index}`);
const MAX_CONCURRENT = 3;

interface Run {
  /** A page dies at its n-th change or write; Infinity: it lives. */
  readonly dieAt: number;
  readonly at: 'change' | 'write';
  readonly canReconcile: boolean;
  /** Small files go in packs. */
  readonly isPacked?: boolean;
}

/** Bodies that the backend was sent, alone or in packs. */
function bodiesIn(requests: readonly MemoryRequest[]): number {
  const counts = requests.map(({ route, files = 0 }) => (route === 'put' ? 1 : files));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** One page until it dies, then another one that goes on. */
async function runTwice({ dieAt, at, canReconcile, isPacked = false }: Run) {
  const runtime = new VirtualRuntime();
  const moments = { n: 0 };
  const finalizing: string[] = [];
  const note = (items: readonly { assetId: string }[]) =>
    void finalizing.push(...items.map(({ assetId }) => assetId));
  // Slow enough that the journal is written many times.
  const putLatencyMs = at === 'write' ? 700 : 40;
  const backend = new MemoryBackend(runtime, { finalize: note }, { putLatencyMs });
  const browser = new MemoryBrowser(runtime);
  const pack = { maxFiles: 4, maxBytes: 4_000, maxFileBytes: 1_000 };
  const { reconcile, ...rest } = backend.adapter({
    maxConcurrency: MAX_CONCURRENT,
    ...(isPacked ? { pack } : {}),
  });
  const adapter = canReconcile && reconcile ? { ...rest, reconcile } : rest;

  let isDead = false;
  /** Bytes that are on their way, or arrived without the journal having heard of it. */
  let inDoubt = 0;
  const passed = () => {
    moments.n += 1;
    if (moments.n !== dieAt) return;
    isDead = true;
    const { requests } = backend;
    const underWay = bodiesIn(requests.filter(({ endedAtMs }) => !endedAtMs));
    inDoubt = underWay + (canReconcile ? 0 : backend.objects.size);
    first.kill();
  };
  const first = browser.open(adapter, at === 'write' ? { onWrite: passed } : {});
  if (at === 'change') first.uploader.on('upload-changed', passed);
  void first.uploader.add(files());
  const isOver = () =>
    isDead ||
    (moments.n > 0 && [...first.uploader.uploads()].every(({ status }) => isEnded(status)));
  await runtime.advance(30 * 60_000, isOver);
  if (!isDead) await runtime.advance(2_000);
  // What was under way when the page died arrives, or does not.
  await runtime.advance(10_000);
  const putsBefore = bodiesIn(backend.requests);
  finalizing.splice(0);
  const stored = new Map<string, string>();
  let known = 0;
  for (const { id } of await browser.journal.sessions('')) {
    for await (const entries of browser.journal.entries(id)) {
      for (const { row } of entries) {
        const [, stand, , path] = row as [number, string, string, string];
        const assetId = (row as unknown[])[11] as string;
        if (isStored(stand as 'processing')) stored.set(path, assetId);
        const hasObject = isStored(stand as 'processing') && stand !== 'duplicate';
        if (hasObject || stand === 'sent') known += 1;
      }
    }
  }

  if (!canReconcile) inDoubt = Math.max(0, inDoubt - known);
  const second = browser.open(adapter);
  await runtime.advance(1_000);
  const [session] = second.uploader.sessions.getSnapshot();
  const resuming = session && second.uploader.sessions.resume(session.id);
  await runtime.advance(20_000);
  await resuming;
  await second.uploader.add(files());
  await runtime.advance(30 * 60_000, () =>
    [...second.uploader.uploads()].every(({ status }) => isEnded(status)),
  );
  await runtime.advance(2_000);
  return {
    ...{ runtime, backend, browser, first, second, moments, isDead, stored, inDoubt },
    putsAfter: bodiesIn(backend.requests) - putsBefore,
    putsBefore,
    finalizing,
  };
}

type Outcome = Awaited<ReturnType<typeof runTwice>>;

async function expectNothingLost(outcome: Outcome): Promise<void> {
  const { runtime, backend, browser, second, stored } = outcome;
  const uploads = [...second.uploader.uploads()];
  const statuses = uploads.map(({ path, status }) => `${path} ${status}`).sort();
  const isRight = (status: string) => /(searchable|duplicate)$/.test(status);
  expect(statuses.filter((status) => !isRight(status))).toEqual([]);
  // Each file is there once, and each content in the library once.
  expect(new Set(uploads.map(({ path }) => path)).size).toBe(uploads.length);
  expect(backend.library.size).toBe(FILES - 1);
  expect([...backend.bodies.keys()].length).toBeLessThanOrEqual(FILES);
  // Nothing that the journal knows to be stored is read, sent or finalized again.
  expect(second.read.filter((name) => stored.has(name))).toEqual([]);
  const finalized = new Set(stored.values());
  expect(outcome.finalizing.filter((assetId) => finalized.has(assetId))).toEqual([]);
  expect(runtime.errors).toEqual([]);
  // All done: nothing is left to resume.
  expect(await browser.journal.sessions('')).toEqual([]);
  expect(second.uploader.sessions.getSnapshot()).toEqual([]);
}

/** Runs without a death once to count the moments, then dies at each of them. */
async function dieEverywhere(run: Omit<Run, 'dieAt'>): Promise<number> {
  const { moments } = await runTwice({ ...run, dieAt: Number.POSITIVE_INFINITY });
  for (let dieAt = 1; dieAt <= moments.n; dieAt += 1) {
    const outcome = await runTwice({ ...run, dieAt });
    expect(outcome.isDead, `moment ${dieAt}`).toBe(true);
    try {
      await expectNothingLost(outcome);
      // At most what was under way is sent again.
      const bodies = outcome.putsBefore + outcome.putsAfter;
      expect(bodies).toBeLessThanOrEqual(FILES - 1 + outcome.inDoubt);
    } catch (error) {
      throw new Error(`died at ${run.at} ${dieAt} of ${moments.n}`, { cause: error });
    } finally {
      outcome.second.uploader.destroy();
    }
  }
  return moments.n;
}

/** Pages that die at random moments, one after the other, while everything else fails now and then. */
async function dieOften(seed: number): Promise<void> {
  const runtime = new VirtualRuntime(seed);
  const fail = (share: number, error: () => UploadError) => {
    if (runtime.random() < share) throw error();
  };
  const reset = () => new UploadError('network_failed', 'reset');
  const backend = new MemoryBackend(
    runtime,
    {
      credentials: () => fail(0.1, reset),
      put: () => fail(0.1, reset),
      pack: () => fail(0.1, reset),
      packStored: () => runtime.random() < 0.2,
      putStored: () => (runtime.random() < 0.2 ? 'lost' : undefined),
      finalized: () => fail(0.2, reset),
      reconcile: () => fail(0.3, reset),
    },
    { putLatencyMs: 300 },
  );
  const browser = new MemoryBrowser(runtime);
  const pack = { maxFiles: 3, maxBytes: 4_000, maxFileBytes: 1_000 };
  const packed = seed % 2 === 0 ? { pack } : {};
  const adapter = backend.adapter({ maxConcurrency: MAX_CONCURRENT, ...packed });
  for (let life = 0; life < 6; life += 1) {
    const page = browser.open(adapter, { resume: 'auto' });
    await runtime.advance(runtime.random() * 500);
    void page.uploader.add(files());
    await runtime.advance(runtime.random() * 4_000);
    page.kill();
  }
  const last = browser.open(adapter, { resume: 'auto' });
  await runtime.advance(1_000);
  await last.uploader.add(files());
  await runtime.advance(30 * 60_000, () =>
    [...last.uploader.uploads()].every(({ status }) => isEnded(status)),
  );
  // Three failures in a row happen by chance too: what gave up then goes on when it is told to.
  for (let again = 0; again < 3 && last.uploader.retryAll() > 0; again += 1) {
    await runtime.advance(30 * 60_000, () =>
      [...last.uploader.uploads()].every(({ status }) => isEnded(status)),
    );
  }
  await runtime.advance(2_000);
  expect(backend.library.size).toBe(FILES - 1);
  const { searchable, total, failed } = last.uploader.getSnapshot();
  expect([searchable, failed]).toEqual([total, 0]);
  // Every page found what the one before it had begun: no file is there twice.
  expect(new Set([...last.uploader.uploads()].map(({ path }) => path)).size).toBe(total);
  expect(runtime.errors).toEqual([]);
  expect(await browser.journal.sessions('')).toEqual([]);
  last.uploader.destroy();
}

/** A world in which an upload may come to every stand that the journal knows. */
function createTroubledWorld() {
  const runtime = new VirtualRuntime();
  const nameOf = (is: (reservation: { assetId: string; checksum: string }) => boolean) =>
    [...backend.reservations.values()].find(is)?.name;
  const backend = new MemoryBackend(
    runtime,
    {
      put: (key) => {
        if (nameOf(({ assetId }) => assetId === key) !== 'photo-2.jpg') return;
        throw new UploadError('file_changed', 'other bytes');
      },
      processing: (sum) =>
        nameOf(({ checksum }) => checksum === sum) === 'photo-5.jpg' ? 'failed' : undefined,
    },
    { putLatencyMs: 300, stageMs: 400 },
  );
  const browser = new MemoryBrowser(runtime);
  const adapter = backend.adapter({ maxConcurrency: MAX_CONCURRENT });
  const seen = new Set<string>();
  const { write } = browser.journal;
  browser.journal.write = async (change) => {
    for (const { row } of change.entries ?? []) seen.add((row as string[])[1] ?? '');
    return write.call(browser.journal, change);
  };
  const added = () => [...files(), new File(['x'.repeat(100)], 'large.jpg', { lastModified: 1 })];
  /** A page that dies at its n-th change of the journal. @returns how many there were */
  const live = async (dieAt: number): Promise<number> => {
    let changes = 0;
    let isDead = false;
    const page = browser.open(adapter, {
      resume: 'auto',
      safeCopies: { maxBytes: 40 },
      restrictions: { maxFileSizeBytes: 50 },
      onWrite: () => {
        changes += 1;
        if (changes !== dieAt) return;
        isDead = true;
        page.kill();
      },
    });
    await runtime.advance(1_000, () => isDead);
    if (!isDead) void page.uploader.add(added());
    const isOver = () =>
      isDead ||
      (page.uploader.getSnapshot().total > 0 &&
        [...page.uploader.uploads()].every(({ status }) => isEnded(status)));
    await runtime.advance(10 * 60_000, isOver);
    await runtime.advance(5_000, () => isDead);
    if (!isDead) {
      const ends = Object.groupBy(page.uploader.uploads(), ({ status }) => status);
      const names = (status: 'dead' | 'rejected' | 'processing-failed') =>
        ends[status]?.map(({ name }) => name);
      expect(names('dead')).toEqual(['photo-2.jpg']);
      expect(names('rejected')).toEqual(['large.jpg']);
      expect(names('processing-failed')).toEqual(['photo-5.jpg']);
      expect([ends.searchable?.length, ends.duplicate?.length]).toEqual([FILES - 3, 1]);
      expect(page.uploader.getSnapshot().total).toBe(FILES);
    }
    page.kill();
    return changes;
  };
  return { runtime, backend, browser, seen, live };
}

describe('a page that dies at any change of the journal', { timeout: 120_000 }, () => {
  it('29: whatever its uploads came to, and the page after it as well, loses nothing', async () => {
    const calm = createTroubledWorld();
    const changes = await calm.live(Number.POSITIVE_INFINITY);
    expect([...calm.seen].sort()).toEqual([...STANDS].sort());
    const second = createTroubledWorld();
    await second.live(Math.floor(changes / 3));
    const changesOfSecond = await second.live(Number.POSITIVE_INFINITY);
    const deaths = [
      ...Array.from({ length: changes }, (_, at) => [at + 1]),
      ...Array.from({ length: changesOfSecond }, (_, at) => [Math.floor(changes / 3), at + 1]),
    ];
    for (const moments of deaths) {
      const { runtime, backend, browser, live } = createTroubledWorld();
      try {
        for (const moment of moments) await live(moment);
        await live(Number.POSITIVE_INFINITY);
        // One was given up, two are equal.
        expect(backend.library.size).toBe(FILES - 2);
        expect(runtime.errors).toEqual([]);
        // What failed waits for a person.
        const kept = await browser.journal.sessions('');
        expect(kept.map(({ summary }) => summary.left)).toEqual([0]);
        expect(kept.map(({ summary }) => summary.failed)).toEqual([2]);
      } catch (error) {
        throw new Error(`died at ${moments.join(', then ')}`, { cause: error });
      }
    }
  });
});

describe('a page that dies', { timeout: 120_000 }, () => {
  it.each(Array.from({ length: 60 }, (_, at) => at + 1))(
    '29: six times in a row, seed %i',
    (seed) => dieOften(seed),
  );

  it.each([
    { at: 'change', canReconcile: true },
    { at: 'change', canReconcile: false },
    { at: 'write', canReconcile: true },
    { at: 'write', canReconcile: false },
  ] as const)('29: at any $at loses nothing (reconcile: $canReconcile)', async (run) => {
    expect(await dieEverywhere(run)).toBeGreaterThan(run.at === 'change' ? 100 : 8);
  });

  it.each([
    { at: 'change', canReconcile: true },
    { at: 'write', canReconcile: true },
  ] as const)('29: at any $at loses nothing while files go in packs', async (run) => {
    const moments = await dieEverywhere({ ...run, isPacked: true });
    expect(moments).toBeGreaterThan(run.at === 'change' ? 80 : 4);
  });

  it('32: with the last second of its journal, as after a power cut, sends nothing twice', async () => {
    for (const cutMs of [300, 1_000, 2_000, 3_000]) {
      const runtime = new VirtualRuntime();
      const backend = new MemoryBackend(runtime, {}, { putLatencyMs: 300 });
      const browser = new MemoryBrowser(runtime);
      const adapter = backend.adapter({ maxConcurrency: MAX_CONCURRENT });
      const first = browser.open(adapter);
      void first.uploader.add(files());
      await runtime.advance(cutMs);
      first.stopWriting();
      await runtime.advance(1_000);
      first.kill();
      const puts = () => backend.requests.filter(({ route }) => route === 'put').length;
      const inFlight = puts() - backend.objects.size;
      const second = browser.open(adapter, { resume: 'auto' });
      await runtime.advance(20_000);
      await second.uploader.add(files());
      await runtime.advance(60_000);
      expect(backend.library.size).toBe(FILES - 1);
      expect(puts()).toBeLessThanOrEqual(FILES - 1 + inFlight);
      expect(runtime.errors).toEqual([]);
      second.uploader.destroy();
    }
  });

  it('37: the same files from two devices at once are there once, and duplicates of one another', async () => {
    const runtime = new VirtualRuntime();
    const backend = new MemoryBackend(runtime, {}, { putLatencyMs: 300 });
    const adapter = backend.adapter({ maxConcurrency: MAX_CONCURRENT });
    const devices = [new MemoryBrowser(runtime), new MemoryBrowser(runtime)];
    const pages = devices.map((device) => device.open(adapter));
    for (const { uploader } of pages) void uploader.add(files());
    await runtime.advance(60_000);
    expect(backend.library.size).toBe(FILES - 1);
    const ends = pages.flatMap(({ uploader }) =>
      [...uploader.uploads()].map(({ status }) => status),
    );
    expect(ends.filter((status) => status === 'searchable')).toHaveLength(FILES - 1);
    expect(ends.filter((status) => status === 'duplicate')).toHaveLength(FILES + 1);
    expect(runtime.errors).toEqual([]);
  });
});
