import type { Page } from 'playwright';
import { describe, expect, it, type TestContext } from 'vitest';
import { dropPaths, ENGINES, Engine, type EngineName } from '../support/engines.ts';
import { ResumeSite } from './resume-site.ts';

const FILES = 500;
const FILE_BYTES = 20_000;
/** Of the files that are uploaded: when the page goes. */
const MOMENTS = [0.002, 0.05, 0.12, 0.22, 0.32, 0.42, 0.52, 0.62, 0.72, 0.82];
/** For several at the same time, each with a browser that starts eleven times, on a busy machine. */
const TIMEOUT = { timeout: 300_000 };

async function setUp(name: EngineName, { onTestFinished }: TestContext, files = FILES) {
  const site = await ResumeSite.start(files, FILE_BYTES);
  onTestFinished(() => site.close());
  const engine = await Engine.create(name);
  onTestFinished(() => engine.close());
  // Slow enough that there is a middle, of the run and of each PUT.
  const trickleBytesPerSecond = FILE_BYTES / 0.04;
  await site.backend.plan([{ match: { route: 'put' }, do: { trickleBytesPerSecond } }]);
  return { site, engine };
}

/** Resolves as soon as so many are uploaded. The page looks by itself: asking it all the time would slow it. */
const untilUploaded = (page: Page, count: number): Promise<number> =>
  page.evaluate(async (wanted) => {
    const limitMs = Date.now() + 120_000;
    for (;;) {
      const { processing, embedding, searchable, duplicate } =
        window.uploader.getSnapshot().byStatus;
      const uploaded = processing + embedding + searchable + duplicate;
      if (uploaded >= wanted) return uploaded;
      if (Date.now() > limitMs) throw new Error(`${uploaded} of ${wanted} were uploaded`);
      await new Promise((go) => setTimeout(go, 5));
    }
  }, count);

/** Begins, or goes on with what an earlier page began. */
async function startPage(page: Page): Promise<void> {
  await page.evaluate(() => window.start());
  const sessions = await page.evaluate(() => window.uploader.sessions.refresh());
  for (const { id, state } of sessions) {
    if (state !== 'interrupted') continue;
    await page.evaluate((session) => window.uploader.sessions.resume(session), id);
  }
}

const select = (page: Page, site: ResumeSite) => page.setInputFiles('#files', [...site.files]);

async function finish(page: Page): Promise<void> {
  const snapshot = await page.evaluate(() => window.uploader.done());
  expect(snapshot).toMatchObject({
    total: FILES,
    searchable: FILES,
    failed: 0,
    needsFile: 0,
    needsPermission: 0,
  });
}

/** The end of a page, as the server saw it. */
interface Death {
  /** PUTs that had not ended before, those that still came meanwhile included. */
  readonly putsUnderWay: number;
  /** Names of the files that were in the library by then. */
  readonly finalized: ReadonlySet<string>;
  /** Requests until then. */
  readonly requests: number;
}

/** Does what ends a page, and looks at what the server had of it. */
async function die(
  { expect }: TestContext,
  site: ResumeSite,
  end: () => Promise<unknown>,
): Promise<Death> {
  const before = (await site.backend.state()).requests;
  const ended = new Set(before.filter(({ endedAtMs }) => endedAtMs !== null).map(({ n }) => n));
  await end();
  // What had come by then may still take effect.
  const isOpen = async () =>
    (await site.backend.state()).requests.some(
      ({ route, endedAtMs }) => route === 'finalize' && endedAtMs === null,
    );
  await expect.poll(isOpen).toBe(false);
  const { requests, assets } = await site.backend.state();
  return {
    putsUnderWay: requests.filter(({ route, n }) => route === 'put' && !ended.has(n)).length,
    finalized: new Set(assets.map(({ filename }) => filename)),
    requests: requests.length,
  };
}

/** Everything arrived, once; what was finalized is left alone, and no more is sent twice than was under way. */
async function expectOnce(site: ResumeSite, deaths: readonly Death[]): Promise<void> {
  const { assets, objects, requests } = await site.backend.state();
  expect(assets).toHaveLength(FILES);
  expect(objects).toHaveLength(FILES);
  expect(assets.filter(({ runs }) => runs !== 1)).toEqual([]);
  const sentBytes = requests
    .filter(({ route }) => route === 'put')
    .reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  const resent = sentBytes - FILES * FILE_BYTES;
  const underWay = deaths.reduce((sum, { putsUnderWay }) => sum + putsUnderWay, 0);
  const files = (resent / FILE_BYTES).toFixed(1);
  console.log(
    `${deaths.length} deaths: ${files} files were sent twice, ${underWay} were under way`,
  );
  expect(resent).toBeLessThanOrEqual(underWay * FILE_BYTES);
  const finalizes = requests.filter(({ route }) => route === 'finalize');
  const again = deaths.flatMap((death) =>
    finalizes
      .filter(({ n }) => n > death.requests)
      .flatMap(({ filenames }) => filenames.filter((name) => death.finalized.has(name))),
  );
  expect(again).toEqual([]);
}

// They wait more than they work.
describe.concurrent.each(ENGINES)('in %s', TIMEOUT, (name) => {
  it('33: a page that is reloaded ten times loses nothing', async (context) => {
    const { site, engine } = await setUp(name, context);
    const page = await engine.open(site.url);
    await startPage(page);
    const deaths: Death[] = [];
    for (const moment of MOMENTS) {
      await select(page, site);
      await untilUploaded(page, Math.ceil(moment * FILES));
      deaths.push(await die(context, site, () => page.reload()));
      await startPage(page);
    }
    await select(page, site);
    await finish(page);
    await expectOnce(site, deaths);
    expect(await page.evaluate(() => window.uploader.sessions.refresh())).toEqual([]);
  });

  it('31: a browser that is killed ten times loses nothing', async (context) => {
    const { site, engine } = await setUp(name, context);
    let page = await engine.open(site.url);
    await startPage(page);
    let before = 0;
    const deaths: Death[] = [];
    for (const moment of MOMENTS) {
      await select(page, site);
      const uploaded = await untilUploaded(page, Math.ceil(moment * FILES));
      deaths.push(await die(context, site, () => engine.kill()));
      page = await engine.open(site.url);
      await startPage(page);
      // What the killed page knew to be stored, the next one knows as well.
      before = await untilUploaded(page, 0);
      expect(before).toBeGreaterThanOrEqual(uploaded);
    }
    await select(page, site);
    await finish(page);
    await expectOnce(site, deaths);
  });

  it('30: another tab goes on with a tab’s files when that one dies', async (context) => {
    const { expect } = context;
    const { site, engine } = await setUp(name, context);
    const watcher = await engine.open(site.url);
    await startPage(watcher);
    const worker = await engine.open(site.url);
    await startPage(worker);
    await select(worker, site);
    const uploaded = await untilUploaded(worker, FILES / 4);
    // The list may for a moment be what the journal has, until the worker tells how far it is.
    const mirrored = () => watcher.evaluate(() => window.uploader.sessions.getSnapshot());
    await expect.poll(mirrored).toMatchObject([{ state: 'elsewhere', total: FILES }]);
    const progressed = async () => (await mirrored())[0]?.progress?.uploaded;
    await expect.poll(progressed).toBeGreaterThan(0);
    const death = await die(context, site, () => worker.close());
    await untilUploaded(watcher, uploaded);
    await finish(watcher);
    await expectOnce(site, [death]);
  });

  it('36: of two tabs one works, and the other one shows how far it is', async (context) => {
    const { expect } = context;
    const { site, engine } = await setUp(name, context, 100);
    const watcher = await engine.open(site.url);
    await startPage(watcher);
    const worker = await engine.open(site.url);
    await startPage(worker);
    await select(worker, site);
    await untilUploaded(worker, 50);
    // The store takes no more until the watcher has looked.
    site.backend.down('put', { status: 503 });
    const listed = () => watcher.evaluate(() => window.uploader.sessions.getSnapshot());
    await expect.poll(listed).toMatchObject([{ state: 'elsewhere', total: 100 }]);
    const busy = await watcher.evaluate(async () => {
      const [session] = window.uploader.sessions.getSnapshot();
      const refused = window.uploader.sessions.resume(session?.id ?? '');
      return { session, error: await refused.catch((error: Error) => error.name) };
    });
    expect(busy.session).toMatchObject({ state: 'elsewhere', total: 100 });
    expect(busy.error).toBe('SessionError');
    site.backend.up('put');
    await worker.evaluate(() => window.uploader.done());
    await expect
      .poll(() => watcher.evaluate(() => window.uploader.sessions.getSnapshot()))
      .toEqual([]);
    expect(await watcher.evaluate(() => window.uploader.getSnapshot().total)).toBe(0);
    expect((await site.backend.state()).assets).toHaveLength(100);
  });

  it('a folder that is selected again is skipped where it is done, without being read', async (context) => {
    const { site, engine } = await setUp(name, context);
    const first = await engine.open(site.url);
    await startPage(first);
    await select(first, site);
    await untilUploaded(first, FILES / 2);
    const death = await die(context, site, () => engine.kill());
    const page = await engine.open(site.url);
    await startPage(page);
    const before = await page.evaluate(() => window.uploader.done());
    expect(before.uploaded).toBeGreaterThanOrEqual(FILES / 2);
    expect(before.needsFile).toBe(FILES - before.uploaded);
    await page.evaluate(() => {
      const read = new Set<string>();
      for (const method of ['arrayBuffer', 'slice'] as const) {
        const original = Blob.prototype[method] as (...args: unknown[]) => unknown;
        Object.defineProperty(Blob.prototype, method, {
          value(this: Blob, ...args: unknown[]) {
            if (this instanceof File) read.add(this.name);
            return original.apply(this, args);
          },
        });
      }
      Object.assign(window, { read });
    });
    await select(page, site);
    await finish(page);
    const read = await page.evaluate(
      () => [...(window as unknown as { read: Set<string> }).read].length,
    );
    expect(read).toBeLessThanOrEqual(before.needsFile);
    await expectOnce(site, [death]);
  });
});

it.concurrent(
  '34: a page that the browser froze goes on when it thaws',
  TIMEOUT,
  async (context) => {
    const { site, engine } = await setUp('chromium', context);
    const page = await engine.open(site.url);
    await startPage(page);
    await select(page, site);
    await untilUploaded(page, FILES / 4);
    const session = await page.context().newCDPSession(page);
    const death = await die(context, site, () =>
      session.send('Page.setWebLifecycleState', { state: 'frozen' }),
    );
    await new Promise((go) => setTimeout(go, 3_000));
    await session.send('Page.setWebLifecycleState', { state: 'active' });
    await finish(page);
    await expectOnce(site, [death]);
  },
);

describe.concurrent('folders that the browser gives by handle', TIMEOUT, () => {
  it('a folder that was dropped is remembered; dropped again, it goes on', async (context) => {
    const { site, engine } = await setUp('chromium', context);
    const first = await engine.open(site.url);
    await startPage(first);
    await dropPaths(first, [site.folder]);
    await untilUploaded(first, FILES / 4);
    const death = await die(context, site, () => engine.kill());
    const page = await engine.open(site.url);
    await startPage(page);
    const before = await page.evaluate(() => window.uploader.done());
    // Chromium keeps the handle and asks for the permission anew.
    expect(before.needsPermission).toBe(FILES - before.uploaded);
    expect(before.needsFile).toBe(0);
    await dropPaths(page, [site.folder]);
    await page.waitForFunction(() => window.fromDrop !== undefined);
    expect(await page.evaluate(() => window.fromDrop)).toMatchObject({
      added: 0,
      repeated: FILES,
    });
    await finish(page);
    await expectOnce(site, [death]);
  });

  it('goes on after one question, without a file being selected', async (context) => {
    const { site, engine } = await setUp('chromium', context, 1);
    /** The private file system's handles are real ones that may be read without a question. */
    const permit = (page: Page, state: PermissionState) =>
      page.evaluate((answer) => {
        const prototype = FileSystemHandle.prototype as unknown as Record<string, unknown>;
        const asked = { questions: 0, state: answer };
        Object.assign(window, { asked });
        prototype.queryPermission = async () => asked.state;
        prototype.requestPermission = async () => {
          asked.questions += 1;
          asked.state = 'granted';
          return asked.state;
        };
      }, state);
    const first = await engine.open(site.url);
    await permit(first, 'granted');
    await startPage(first);
    await first.evaluate(async (count) => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle('album', { create: true });
      const inner = await folder.getDirectoryHandle('inner', { create: true });
      for (let at = 0; at < count; at += 1) {
        const parent = at % 2 === 0 ? folder : inner;
        const handle = await parent.getFileHandle(`p-${at}.jpg`, { create: true });
        const writable = await handle.createWritable();
        await writable.write(crypto.getRandomValues(new Uint8Array(20_000)));
        await writable.close();
      }
      void window.uploader.add(folder);
    }, FILES);
    await untilUploaded(first, FILES / 4);
    const death = await die(context, site, () => engine.kill());

    const page = await engine.open(site.url);
    await permit(page, 'prompt');
    await startPage(page);
    const before = await page.evaluate(() => window.uploader.done());
    expect(before.needsPermission).toBeGreaterThan(0);
    expect(before.uploaded + before.needsPermission).toBe(before.total);
    const found = await page.evaluate(() => window.uploader.sessions.requestPermission());
    expect(found).toBe(before.needsPermission);
    await finish(page);
    const asked = await page.evaluate(
      () => (window as unknown as { asked: { questions: number } }).asked.questions,
    );
    expect(asked).toBe(1);
    await expectOnce(site, [death]);
  });
});
