import type { Page } from 'playwright';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dropPaths, Engine } from '../support/engines.ts';
import { ResumeSite } from './resume-site.ts';

const FILES = 60;

let site: ResumeSite;
let engine: Engine;
beforeEach(async () => {
  site = await ResumeSite.start(FILES, 5_000);
  engine = await Engine.create('chromium');
});
afterEach(async () => {
  await engine?.close();
  await site?.close();
});

/** Resumes what is interrupted, and offers the button that asks. */
async function start(page: Page): Promise<void> {
  await page.evaluate(async () => {
    window.start();
    for (const { id, state } of await window.uploader.sessions.refresh()) {
      if (state === 'interrupted') await window.uploader.sessions.resume(id);
    }
    const button = document.createElement('button');
    button.id = 'ask';
    button.onclick = async () => {
      button.value = String(await window.uploader.sessions.requestPermission());
    };
    document.body.append(button);
  });
}

/** Drops the folder and kills the browser when some of it is uploaded. */
async function interrupt(): Promise<void> {
  const held = { match: { route: 'put' as const, nth: { from: 11 } }, do: 'hang' as const };
  await site.backend.plan([held]);
  const page = await engine.open(site.url);
  await start(page);
  await dropPaths(page, [site.folder]);
  await page.waitForFunction(() => window.uploader.getSnapshot().uploaded === 10);
  await engine.kill();
  await site.backend.plan([]);
}

async function ask(page: Page): Promise<number> {
  await page.click('#ask');
  const answered = await page.waitForFunction(
    () => document.querySelector<HTMLButtonElement>('#ask')?.value || undefined,
  );
  return Number(await answered.jsonValue());
}

const done = (page: Page) => page.evaluate(() => window.uploader.done());
const WHOLE = { total: FILES, searchable: FILES, failed: 0, needsPermission: 0, needsFile: 0 };

describe('a folder that Chromium keeps by its handle over a crash', () => {
  it('is read again after one yes, without being selected', async () => {
    await interrupt();
    await engine.answerForFolder(site.url, site.folder, 'allow');
    const page = await engine.open(site.url);
    await start(page);
    expect(await done(page)).toMatchObject({ uploaded: 10, needsPermission: FILES - 10 });
    expect(await ask(page)).toBe(FILES - 10);
    expect(await done(page)).toMatchObject(WHOLE);
  });

  it('is read again without a question where it is allowed on every visit', async () => {
    await interrupt();
    await engine.answerForFolder(site.url, site.folder, 'allow-always');
    const page = await engine.open(site.url);
    await start(page);
    expect(await done(page)).toMatchObject(WHOLE);
  });

  it.each(['deny', 'block'] as const)(
    'waits after a no (%s), and goes on when it is dropped again',
    async (answer) => {
      await interrupt();
      await engine.answerForFolder(site.url, site.folder, answer);
      const page = await engine.open(site.url);
      await start(page);
      expect(await ask(page)).toBe(0);
      expect(await done(page)).toMatchObject({
        uploaded: 10,
        failed: 0,
        needsPermission: FILES - 10,
      });
      await dropPaths(page, [site.folder]);
      await page.waitForFunction(() => window.fromDrop !== undefined);
      expect(await page.evaluate(() => window.fromDrop)).toMatchObject({ repeated: FILES });
      expect(await done(page)).toMatchObject(WHOLE);
    },
  );
});
