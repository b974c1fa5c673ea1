import { expect, it } from 'vitest';
import type { UploaderOptions } from '../../src/create-uploader.ts';
import { UploadError } from '../../src/errors/upload-error.ts';
import { type BackendFaults, MemoryBackend } from '../support/memory-backend.ts';
import { MemoryBrowser, type MemoryPage } from '../support/memory-browser.ts';
import { textFiles } from '../support/uploader-world.ts';
import { VirtualRuntime } from '../support/virtual-runtime.ts';

/** A browser whose store says of the first PUT what a file was. */
function createTabs(code: 'file_unreadable' | 'file_changed') {
  const runtime = new VirtualRuntime();
  const life = { isSpoiled: true };
  const faults: BackendFaults = {
    put: () => {
      if (life.isSpoiled) throw new UploadError(code, 'The file is another one.');
    },
  };
  const backend = new MemoryBackend(runtime, faults);
  const browser = new MemoryBrowser(runtime);
  const adapter = backend.adapter({ maxConcurrency: 3 });
  return {
    runtime,
    life,
    open: (options: Partial<UploaderOptions> = {}) => browser.open(adapter, options),
    finish: () => runtime.advance(60_000),
  };
}

const statuses = ({ uploader }: MemoryPage) =>
  [...uploader.uploads()].map(({ status }) => status).sort();

it('a file that failed, was retried and is stored stays when another one of its path is added', async () => {
  const { open, finish, life } = createTabs('file_unreadable');
  const page = open();
  await page.uploader.add([new File(['one'], 'photo.jpg', { lastModified: 1 })]);
  await finish();
  expect(statuses(page)).toEqual(['dead']);
  life.isSpoiled = false;
  page.uploader.retryAll();
  await finish();
  expect(statuses(page)).toEqual(['searchable']);

  await page.uploader.add([new File(['second'], 'photo.jpg', { lastModified: 2 })]);
  await finish();
  expect(statuses(page)).toEqual(['searchable', 'searchable']);
});

it('a file that is retried is not replaced by another one of its path meanwhile', async () => {
  const { open, finish, life, runtime } = createTabs('file_unreadable');
  const page = open();
  await page.uploader.add([new File(['one'], 'photo.jpg', { lastModified: 1 })]);
  await finish();
  life.isSpoiled = false;
  page.uploader.pause();
  page.uploader.retryAll();
  await page.uploader.add([new File(['second'], 'photo.jpg', { lastModified: 2 })]);
  page.uploader.resume();
  await runtime.advance(60_000);
  expect(statuses(page)).toEqual(['searchable', 'searchable']);
});

it('a changed file takes the place of its dead letter, over a reload as well', async () => {
  const { open, finish, life } = createTabs('file_changed');
  const first = open();
  await first.uploader.add(textFiles(1));
  await finish();
  expect(statuses(first)).toEqual(['dead']);
  first.kill();
  life.isSpoiled = false;

  const page = open({ resume: 'auto' });
  await finish();
  expect(statuses(page)).toEqual(['dead']);
  await page.uploader.add([new File(['other bytes'], 'photo-0.jpg', { lastModified: 77 })]);
  await finish();
  expect(statuses(page)).toEqual(['searchable']);
});

it('a file whose size is another one when it is read fails, and sends nothing', async () => {
  const { open, finish, life } = createTabs('file_unreadable');
  life.isSpoiled = false;
  const page = open();
  // As WebKit says of a file that is gone, when its size was not asked for before.
  const file = new File(['photo'], 'photo.jpg');
  let size = 5;
  Object.defineProperty(file, 'size', { get: () => size });
  page.uploader.pause();
  await page.uploader.add([file]);
  size = 0;
  page.uploader.resume();
  await finish();
  expect([...page.uploader.uploads()]).toMatchObject([
    { status: 'dead', failure: { code: 'file_changed' } },
  ]);
});
