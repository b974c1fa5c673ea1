import { rm, truncate, writeFile } from 'node:fs/promises';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, it, type TestContext } from 'vitest';
import { ENGINES, Engine } from '../support/engines.ts';
import { ResumeSite } from './resume-site.ts';

/** What is done to a file on the disk, and how its upload ends. */
const CHANGES = [
  ['edited', (file: string) => writeFile(file, 'y'.repeat(FILE_BYTES)), 'file_changed'],
  ['cut off', (file: string) => truncate(file, 100), 'file_changed'],
  ['lengthened', (file: string) => writeFile(file, 'y'.repeat(2 * FILE_BYTES)), 'file_changed'],
] as const;
/** Not while it is sent: how much a browser had read by then is up to chance. */
const DEEDS = [...CHANGES, ['deleted', (file: string) => rm(file), 'file_unreadable']] as const;

/** A PUT that stalls is ended after 30 s, and tried again: in Firefox that takes 45 s, on a busy machine twice as long. */
const ENDS_WITHIN_MS = 100_000;

const FILES = 3;
/** More than a browser and the kernel have read ahead when a PUT begins. */
const FILE_BYTES = 16_000_000;

/** A site of its own, and so an origin with data of its own, in the browser of all. */
async function setUp(engine: Engine, { onTestFinished }: TestContext) {
  const site = await ResumeSite.start(FILES, FILE_BYTES);
  onTestFinished(() => site.close());
  const page = await engine.open(site.url);
  onTestFinished(() => page.close());
  return { site, page };
}

/** The first file's upload as it is now. */
const first = (page: Page) =>
  page.evaluate(() => {
    const upload = [...window.uploader.uploads()].find(({ name }) => name === 'photo-0000.jpg');
    const code = upload && 'failure' in upload ? upload.failure.code : undefined;
    return { status: upload?.status, code };
  });

async function end(page: Page, site: ResumeSite, { expect }: TestContext) {
  const startMs = Date.now();
  await page.evaluate(() => window.uploader.done());
  expect(Date.now() - startMs).toBeLessThan(ENDS_WITHIN_MS);
  const ended = await first(page);
  const { assets } = await site.backend.state();
  return { ended, stored: assets.map(({ filename }) => filename).sort() };
}

const others = ['photo-0001.jpg', 'photo-0002.jpg'];

// They wait more than they work.
describe.concurrent.each(ENGINES)('a file on the disk, in %s', { timeout: 90_000 }, (name) => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create(name);
  });
  afterAll(() => engine?.close());

  it.for(CHANGES)('that is %s while it is sent ends in words', async ([, deed, code], context) => {
    const { expect } = context;
    const { site, page } = await setUp(engine, context);
    const match = { route: 'put', filename: 'photo-0000.jpg' } as const;
    await site.backend.plan([{ match, do: { trickleBytesPerSecond: 2_000_000 } }]);
    await page.evaluate(() => window.start());
    await page.setInputFiles('#files', [...site.files]);
    const isSending = async () => (await first(page)).status;
    await expect.poll(isSending, { interval: 50 }).toBe('uploading');
    await deed(site.files[0] ?? '');
    expect(await end(page, site, context)).toEqual({
      ended: { status: 'dead', code },
      stored: others,
    });
  });

  it.for(DEEDS)('that is %s after it was hashed ends in words', async ([, deed, code], context) => {
    const { expect } = context;
    const { site, page } = await setUp(engine, context);
    await site.backend.plan([{ match: { route: 'credentials' }, do: { delayMs: 1_000 } }]);
    await page.evaluate(() => window.start());
    await page.setInputFiles('#files', [...site.files]);
    const isHashed = async () => (await first(page)).status;
    await expect.poll(isHashed).toBe('requesting');
    await deed(site.files[0] ?? '');
    expect(await end(page, site, context)).toEqual({
      ended: { status: 'dead', code },
      stored: others,
    });
  });

  it('that changed before it was hashed is uploaded when it is added again', async (context) => {
    const { expect } = context;
    const { site, page } = await setUp(engine, context);
    await page.evaluate(() => window.start({ autoStart: false }));
    await page.setInputFiles('#files', [...site.files]);
    await expect.poll(async () => (await first(page)).status).toBe('queued');
    await truncate(site.files[0] ?? '', 100);
    await page.evaluate(() => window.uploader.start());
    expect(await end(page, site, context)).toEqual({
      ended: { status: 'dead', code: 'file_changed' },
      stored: others,
    });
    await page.setInputFiles('#files', []);
    await page.setInputFiles('#files', [...site.files]);
    expect(await end(page, site, context)).toEqual({
      ended: { status: 'searchable', code: undefined },
      stored: ['photo-0000.jpg', ...others],
    });
    expect(await page.evaluate(() => window.uploader.getSnapshot().total)).toBe(FILES);
  });
});
