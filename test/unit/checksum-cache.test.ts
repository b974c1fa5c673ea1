import { expect, it } from 'vitest';
import type { Journal } from '../../src/storage/journal.ts';
import { MemoryBackend } from '../support/memory-backend.ts';
import { MemoryBrowser } from '../support/memory-browser.ts';
import { textFiles } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

/** More than are asked about at once. */
const FILES = 1_200;

/** A page whose journal answers what it remembers as told. */
function createPage(checksums: Journal['checksums'], files = FILES) {
  const runtime = new VirtualRuntime();
  const browser = new MemoryBrowser(runtime);
  const asked: string[] = [];
  browser.journal.checksums = (fingerprints) => {
    asked.push(...fingerprints);
    return checksums(fingerprints);
  };
  const page = browser.open(new MemoryBackend(runtime, {}).adapter({ maxConcurrency: 100 }));
  return {
    ...page,
    runtime,
    asked,
    async run() {
      const added = page.uploader.add(textFiles(files));
      await runtime.advance(60_000);
      await added;
      return page.uploader.getSnapshot().searchable;
    },
  };
}

it('a journal that never answers keeps no upload waiting, and is not asked again', async () => {
  const { run, asked } = createPage(() => new Promise(() => {}));
  expect(await run()).toBe(FILES);
  // The first file, and those that were added while it was asked about.
  expect(asked.length).toBeLessThanOrEqual(1 + 500);
});

it('a journal that answers too late is asked again from then on', async () => {
  let answer: (checksums: readonly undefined[]) => void = () => {};
  const first = new Promise<readonly undefined[]>((resolve) => {
    answer = resolve;
  });
  const answers: Promise<readonly undefined[]>[] = [first];
  const page = createPage(async () => answers.shift() ?? [], 1);
  expect(await page.run()).toBe(1);
  answer([]);
  await page.runtime.advance(0);
  const later = page.uploader.add([new File(['later'], 'later.jpg')]);
  await page.runtime.advance(60_000);
  await later;
  expect(page.asked).toHaveLength(2);
});

it('a journal that fails to answer fails no upload, and the page hears of it', async () => {
  const { run, runtime, read } = createPage(() => Promise.reject(new Error('no room')), 1);
  expect(await run()).toBe(1);
  expect(runtime.errors).toEqual([new Error('no room')]);
  expect(read).toHaveLength(1);
});
