import { describe, expect, it } from 'vitest';
import { createMemoryWorld } from '../support/memory-world.ts';
import { textChecksum, textFiles } from '../support/uploader-world.ts';

describe('files as they come', { timeout: 60_000 }, () => {
  it('47: an empty file that page and server allow is stored as it is', async () => {
    const world = createMemoryWorld({}, { restrictions: { minFileSizeBytes: 0 } });
    await world.uploader.add([new File([], 'empty.jpg'), ...textFiles(5)]);
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 6 });
    await world.verify();
  });

  it('49: of 100,000 files the first is in the library before the last is taken in', async () => {
    const world = createMemoryWorld();
    const { uploader, runtime } = world;
    let firstAfter = Number.POSITIVE_INFINITY;
    let taken = 0;
    uploader.on('upload-finalized', () => {
      firstAfter = Math.min(firstAfter, taken);
    });
    async function* walk() {
      for (let at = 0; at < 100_000; at += 1) {
        taken += 1;
        yield new File([`${at}`], `photo-${at}.jpg`, { type: 'image/jpeg' });
        // As a folder that is listed a hundred at a time.
        if (at % 100 === 99 && at < 10_000) await runtime.sleep(10);
      }
    }
    const adding = uploader.add(walk());
    let isAdded = false;
    void adding.then(() => {
      isAdded = true;
    });
    await runtime.advance(10 * 60_000, () => isAdded);
    await runtime.advance(200);
    expect(await adding).toMatchObject({ added: 100_000, refused: 0, repeated: 0 });
    expect(firstAfter).toBeLessThan(10_000);
    const startMs = performance.now();
    const snapshot = uploader.getSnapshot();
    expect(Object.values(snapshot.byStatus).reduce((sum, count) => sum + count, 0)).toBe(100_000);
    uploader.abort();
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await runtime.advance(60_000);
    const { byStatus } = uploader.getSnapshot();
    expect(byStatus.searchable + byStatus.cancelled).toBe(100_000);
    expect(byStatus.searchable).toBeGreaterThan(0);
    await world.verify();
  });

  it('49: 10,000 files arrive, each in one request to the store', async () => {
    const world = createMemoryWorld({}, { backend: { putLatencyMs: 10 } });
    let isDone = false;
    await world.uploader.add(textFiles(10_000));
    void world.uploader.done().then(() => {
      isDone = true;
    });
    await world.runtime.advance(30 * 60_000, () => isDone);
    await world.runtime.advance(500);
    expect(world.statuses()).toEqual({ searchable: 10_000 });
    expect(Math.max(...world.backend.puts.values())).toBe(1);
    await world.verify();
  });

  it('53: a hasher that is gone for one file costs that file three tries, and no other', async () => {
    const tries: Record<string, number> = {};
    const world = createMemoryWorld(
      {},
      {
        hasher: {
          async hash(file) {
            const { name } = file as File;
            tries[name] = (tries[name] ?? 0) + 1;
            const isFirst = tries[name] === 1 && Number(name.match(/\d+/)?.[0]) % 4 === 0;
            if (name === 'photo-7.jpg' || isFirst) throw new Error('the worker is gone');
            return textChecksum(await file.text());
          },
        },
      },
    );
    await world.uploader.add(textFiles(40));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 39, dead: 1 });
    expect(world.uploader.failures()).toMatchObject([
      { name: 'photo-7.jpg', failure: { code: 'unexpected' } },
    ]);
    expect([tries['photo-7.jpg'], tries['photo-4.jpg'], tries['photo-5.jpg']]).toEqual([3, 2, 1]);
    await world.verify();
  });

  it('25: a store that never has what it said it stored is given up in the end, in words', async () => {
    const world = createMemoryWorld({
      putStored: (key) => {
        if (key === 'asset-3') {
          world.backend.objects.delete(key);
          world.backend.bodies.delete(key);
        }
        return undefined;
      },
    });
    await world.uploader.add(textFiles(20));
    await world.finish();
    expect(world.statuses()).toEqual({ searchable: 19, dead: 1 });
    expect(world.uploader.failures()).toMatchObject([{ failure: { code: 'not_uploaded' } }]);
    expect(world.backend.puts.get('asset-3')).toBeLessThanOrEqual(5);
  });
});
