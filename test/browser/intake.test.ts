import { describe, expect, it } from 'vitest';
import { createIdleStore } from '../../bench/intake/page/idle-store.ts';
import { syntheticFiles } from '../../bench/intake/page/synthetic-files.ts';
import { watchTasks } from '../../bench/intake/page/task-probe.ts';
import { createUploader } from '../../src/create-uploader.ts';

const FILES = 20_000;
const LONGEST_TASK_MS = 50;

function createIdleUploader(options: { autoStart: boolean }) {
  const store = createIdleStore({ isAnswering: false });
  const uploader = createUploader({ adapter: store.adapter, hasher: store.hasher, ...options });
  return { uploader, store };
}

/** The best of three: a machine that does something else stops the page, and only ever adds. */
async function longestGapOfThree(work: () => Promise<void>): Promise<number> {
  let longestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3 && longestMs > LONGEST_TASK_MS; run += 1) {
    const stop = watchTasks();
    await work();
    const { longestGapMs } = await stop();
    longestMs = Math.min(longestMs, longestGapMs);
  }
  return longestMs;
}

describe('intake of 20,000 files', { timeout: 60_000 }, () => {
  const files = syntheticFiles(FILES);
  const totalBytes = files.reduce((sum, file) => sum + file.size, 0);

  it.each([
    ['before the start', false],
    ['while uploads run', true],
  ])('leaves the page free every 50 ms, %s', async (_, autoStart) => {
    const longestMs = await longestGapOfThree(async () => {
      const { uploader } = createIdleUploader({ autoStart });
      await uploader.add(files);
      uploader.destroy();
    });
    expect(longestMs).toBeLessThanOrEqual(LONGEST_TASK_MS);
  });

  it('counts every file once, however often it is added', async () => {
    const { uploader } = createIdleUploader({ autoStart: false });
    expect(await uploader.add(files)).toMatchObject({ added: FILES, refused: 0, repeated: 0 });
    expect(await uploader.add(files)).toMatchObject({ added: 0, refused: 0, repeated: FILES });
    expect([...uploader.uploads()].map(({ path }) => path)).toEqual(
      files.map(({ webkitRelativePath }) => webkitRelativePath),
    );
    await expect
      .poll(() => uploader.getSnapshot())
      .toMatchObject({ state: 'idle', total: FILES, totalBytes, byStatus: { queued: FILES } });
    uploader.destroy();
  });

  it('tells subscribers a few times, not once a file', async () => {
    const { uploader } = createIdleUploader({ autoStart: false });
    let told = 0;
    uploader.subscribe(() => {
      told += 1;
    });
    const startedMs = performance.now();
    await uploader.add(files);
    await expect.poll(() => uploader.getSnapshot().total).toBe(FILES);
    const tenths = (performance.now() - startedMs) / 100;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThanOrEqual(tenths + 1);
    uploader.destroy();
  });

  it('begins the first upload before the last file was given', async () => {
    const { uploader, store } = createIdleUploader({ autoStart: true });
    let given = 0;
    async function* walk() {
      for (const file of files) {
        given += 1;
        yield file;
        // As a folder that is listed a hundred at a time.
        if (given % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
        if (store.puts.length > 0) return;
      }
    }
    await uploader.add(walk());
    expect(store.puts.length).toBeGreaterThan(0);
    expect(given).toBeLessThan(FILES);
    uploader.destroy();
  });
});
